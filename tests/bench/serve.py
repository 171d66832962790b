"""`firstline serve`, but the web chat does not wait for the rest of a thought: a measured visitor has no more."""

from channels.webchat import WebChat
from service.__main__ import main

if __name__ == "__main__":
    WebChat.debounce = 0.0
    main()
