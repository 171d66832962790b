"""What a channel reads from its environment: one variable after the other, and in words what is wrong with them."""

import re
from collections.abc import Mapping


class Variables:
    """`bad`: what is lacking or wrong so far, as "It wants ..." goes on. Of a bad value nothing is repeated."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.bad: list[str] = []

    def value(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def matching(self, name: str, pattern: str, wanted: str, *, needed: bool = False) -> str:
        """The value, or "" where it is not set or does not match the whole of `pattern`: it is to be `wanted` then."""
        value = self.value(name)
        if needed and not value:
            self.bad.append(name)
        # Half a surrogate pair is what Python makes of bytes in the environment that are no text.
        elif value and (not re.fullmatch(pattern, value) or re.search("[\ud800-\udfff]", value)):
            self.bad.append(f"{name} to be {wanted}")
            return ""
        return value
