"""What a customer reads: the words of a reply as plain text and as HTML that shows nothing from elsewhere (pure).

The customer's own mail is not quoted below: mail programs show the thread themselves, and a quote would send back
what they may not want to see copied, such as a card number.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from channels.base import Outbound, Source

SOURCES = "Where this is from"
PERSON = "If you would rather have a person, reply with the word “person”."
URL = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]']")
ITEM = re.compile(r"(?:[-•]|(?P<number>[0-9]{1,3})[.)]) +(?P<words>\S.*)")

# Colours are left to the mail program, which has a light and a dark of its own; only what is quieter has one, a grey
# that can be read on both (4.5:1 on white and on black). Outlook knows no max-width: it gets a table of its own.
FONT = "font:16px/1.5 -apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
QUIET = "margin:24px 0 0;font-size:14px;line-height:1.5;color:#767676"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ .quiet {{ color: #a5a5ae !important; }} }}
</style>
</head>
<body style="margin:0;padding:0">
<!--[if mso]><table role="presentation" width="640"><tr><td><![endif]-->
<div style="max-width:640px;padding:16px;{font};overflow-wrap:anywhere">
{parts}
</div>
<!--[if mso]></td></tr></table><![endif]-->
</body>
</html>
"""


@dataclass
class Block:
    """A paragraph (p), or a list (ul, ol) and the number it begins with."""

    tag: str
    start: int
    lines: list[str]
    close: bool = False  # to what follows: no blank line is between


def text(outbound: Outbound, company: str) -> str:
    """The plain text: everything that the HTML says."""
    parts = [outbound.disclosure, outbound.text.strip("\n")]
    if outbound.sources:
        listed = [f"- {each.title}" + (f"\n  {url}" if (url := address(each)) else "") for each in outbound.sources]
        parts.append("\n".join([f"{SOURCES}:", *listed]))
    return "\n\n".join(part for part in (*parts, closing(outbound, company)) if part) + "\n"


def html(outbound: Outbound, company: str, title: str) -> str:
    """The HTML: the words as they are laid out, nothing of them as markup."""
    hosts = {_host(url) for each in outbound.sources if (url := address(each))}

    def trusted(url: str) -> bool:
        # Staff may send people where they think best; what a machine says leads to where it has it from, nowhere else.
        return outbound.author == "person" or _host(url) in hosts

    parts = [f'<p style="margin:0 0 16px">{escape(outbound.disclosure)}</p>'] if outbound.disclosure else []
    parts.append('<div dir="auto">')
    parts += [_block(each, trusted) for each in blocks(outbound.text)]
    parts.append("</div>")
    if outbound.sources:
        parts.append(f'<p style="margin:24px 0 4px;font-weight:600">{SOURCES}</p>')
        listed = [f'<a href="{escape(url)}">{escape(each.title)}</a>' if (url := address(each)) else escape(each.title)
                  for each in outbound.sources]  # fmt: skip
        parts.append(_list("ul", 0, listed))
    if below := closing(outbound, company):
        person = outbound.author == "person"
        parts.append(f'<p style="margin:24px 0 0">{_lines([below])}</p>' if person else _quiet(below))
    return PAGE.format(title=escape(title), font=FONT, parts="\n".join(parts))


def closing(outbound: Outbound, company: str) -> str:
    """The last lines: who wrote it, and how to get a person."""
    if outbound.author == "person":
        return f"{outbound.name}\n{company}" if outbound.name else company
    if outbound.author != "agent":
        return ""
    origin = " from its help centre" if outbound.sources else ""
    return f"An AI assistant of {company} wrote this{origin}. {PERSON}"


def blocks(words: str) -> list[Block]:
    """Paragraphs and lists as answers have them: a blank line between, "- " or "1. " before an item."""
    found: list[Block] = []
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", words.strip("\n")):
        first = len(found)
        for line in paragraph.split("\n"):
            item = ITEM.fullmatch(line.strip())
            number = int(item["number"] or 0) if item else 0
            tag = ("ol" if number else "ul") if item else "p"
            last = found[-1] if len(found) > first else None
            if not last or last.tag != tag or (number and number != last.start + len(last.lines)):
                if last:
                    last.close = True
                last = Block(tag, number, [])
                found.append(last)
            last.lines.append(item["words"] if item else line)
    return found


def address(source: Source) -> str:
    """The source's address, if a browser can be sent there."""
    return source.url if URL.fullmatch(source.url) and _host(source.url) else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _block(block: Block, trusted: Callable[[str], bool]) -> str:
    if block.tag == "p":
        return f'<p style="margin:0 0 {4 if block.close else 16}px">{_lines(block.lines, trusted)}</p>'
    return _list(block.tag, block.start, [_linked(line, trusted) for line in block.lines])


def _list(tag: str, start: int, items: Sequence[str]) -> str:
    begins = f' start="{start}"' if start > 1 else ""
    each = "\n".join(f'<li style="margin:0 0 4px">{item}</li>' for item in items)
    return f'<{tag}{begins} style="margin:0 0 16px;padding:0 0 0 24px">\n{each}\n</{tag}>'


def _quiet(words: str) -> str:
    return f'<p class="quiet" style="{QUIET}">{escape(words)}</p>'


def _lines(lines: Sequence[str], trusted: Callable[[str], bool] = lambda url: False) -> str:
    return "<br>\n".join(_linked(line, trusted) for each in lines for line in each.split("\n"))


def _linked(line: str, trusted: Callable[[str], bool]) -> str:
    """The line as HTML, with links where they are trusted."""
    parts, end = [], 0
    for found in URL.finditer(line):
        url = escape(found[0])
        parts.append(escape(line[end : found.start()]))
        parts.append(f'<a href="{url}">{url}</a>' if trusted(found[0]) else url)
        end = found.end()
    return "".join([*parts, escape(line[end:])])
