"""The chat widget: a few files a person can read, served as the one script that a site embeds."""

import json
from pathlib import Path

HERE = Path(__file__).parent
PARTS = ("store.js", "stream.js", "tries.js", "thread.js", "elements.js", "messages.js", "panel.js", "embed.js")


def script() -> bytes:
    """`<firstline-chat>` whole: joined inside one function, so that nothing leaks into the page it is a guest on."""
    css = json.dumps((HERE / "panel.css").read_text(encoding="utf-8"))
    parts = "\n".join((HERE / name).read_text(encoding="utf-8") for name in PARTS)
    return f'(() => {{\n"use strict";\nconst STYLE = {css};\n\n{parts}\n}})();\n'.encode()
