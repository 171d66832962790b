"""Pages for trying the channels without an account: what `firstline serve --demo` offers."""
