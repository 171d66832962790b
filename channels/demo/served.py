"""What the demo's customers' pages are drawn and moved by, as a browser asks for it."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import HTTPException, Response

HERE = Path(__file__).parent
FILES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def served(page: str, kind: str, headers: Mapping[str, str]) -> Response:
    """A page's style or script. Each style begins with the colours that they share."""
    if kind not in FILES:
        raise HTTPException(404, "There is no such file.")
    content = (HERE / f"{page}{kind}").read_bytes()
    if kind == ".css":
        content = (HERE / "colours.css").read_bytes() + content
    return Response(content, media_type=FILES[kind], headers=headers)
