"""format=flowed (RFC 3676): lines that end in a space go on in the next one."""

import re

QUOTES = re.compile(r"(>*) ?(.*)", re.DOTALL)


def unflowed(text: str, *, joined: bool) -> str:
    """Paragraphs made whole. `joined` (DelSp=yes): the space at the line's end was put there and goes."""
    out: list[str] = []
    held, depth = list[str](), 0

    def put() -> None:
        if held:
            out.append((">" * depth + " " if depth else "") + "".join(held))
            held.clear()

    for line in text.split("\n"):
        found = QUOTES.match(line)
        marks, rest = (len(found.group(1)), found.group(2)) if found else (0, line)
        if marks != depth or rest == "-- ":
            put()
        depth = marks
        flows = rest.endswith(" ") and rest != "-- "
        held.append(rest[:-1] if flows and joined else rest)
        if not flows:
            put()
    put()
    return "\n".join(out)
