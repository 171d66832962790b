"""Which parts of a mail are its words, and in what order; the rest is attachments."""

import re
from dataclasses import dataclass, field

from channels.email.bounds import MOST_HIDDEN, MOST_HTML, MOST_TEXT
from channels.email.charsets import INVISIBLE, clean, decode
from channels.email.flowed import unflowed
from channels.email.headers import first as field_of
from channels.email.headers import words as told
from channels.email.html import decoded, laid_out
from channels.email.parts import MESSAGES, Node

HTML = {"text/html", "application/xhtml+xml"}
ENRICHED = {"text/enriched", "text/richtext"}
TWINS = {"text/plain", "text/x-amp-html", "text/watch-html", "text/x-watch-html"} | HTML | ENRICHED
FILES = {"text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/css", "text/csv", "text/rfc822-headers"}
CUT = "[The rest is too long to be shown here; all of it is attached.]"
FORWARDED = "---------- Forwarded message ----------"
GRAM = 5  # characters: pieces of that length seldom meet by chance, in any language
ALIKE = 0.5  # of the pieces of one version that the other one has: below it they say different things
TAGS = re.compile("[\U000e0020-\U000e007e]{8,}")  # letters nobody sees; flags of regions are made of up to six


@dataclass
class Words:
    """What a reader sees, what they don't, and the leaves that it is taken from (by id)."""

    text: str = ""
    hidden: str = ""
    used: set[int] = field(default_factory=set)


@dataclass
class Room:
    """How much of one mail may still be shown: many parts cost no more than one."""

    html: int = MOST_HTML
    text: int = MOST_TEXT


def body(node: Node) -> Words:
    """The words of a whole mail.

    They are never empty where a reader would see some: a mail that is nothing but one unnamed text "attachment", one
    attached mail or an invitation shows that.
    """
    room = Room()
    words = _shown(node, room, first=True)
    if not words.text.strip():
        words = _instead(node, room) or words
    words.hidden = words.hidden[:MOST_HIDDEN]
    return words


def _instead(node: Node, room: Room) -> Words | None:
    leaves = [leaf for leaf in node.leaves() if leaf.depth == 0]
    for leaf in leaves:
        if leaf.content_type in TWINS and not leaf.file and (found := _leaf(leaf, room)).text.strip():
            return found
    if node.content_type in MESSAGES and node.children:
        return _shown(node.children[0], room, first=True)
    if node.content_type != "multipart/report" and (passed_on := _passed_on(node, room)):
        return passed_on
    for leaf in leaves:
        if leaf.content_type == "text/calendar" and (text := _invitation(leaf)):
            return Words(text)  # the file stays an attachment
    return None


def _passed_on(node: Node, room: Room) -> Words | None:
    """The first attached mail that says something, as mail programs quote one that is forwarded; it stays a file."""
    for each in node.within():
        if each.depth == 0 and each.content_type in MESSAGES and each.children:
            inner = _shown(each.children[0], room, first=True)
            if inner.text.strip():
                lines = [
                    f"{name}: {told(field_of(each.children[0].pairs, name.lower()))}"
                    for name in ("From", "Date", "Subject")
                ]
                return Words("\n".join([FORWARDED, *lines, "", inner.text]), inner.hidden)
    return None


def _shown(node: Node, room: Room, *, first: bool) -> Words:
    """`first`: nothing of the mail's words came before it."""
    if node.content_type in MESSAGES:
        return Words()
    if not node.children:
        if not _is_text(node) or (node.file and not first):
            return Words()
        return _leaf(node, room)
    if node.content_type == "multipart/alternative":
        return _alternative(node, room, first=first)
    joined = Words()
    texts = []
    for child in node.children:
        words = _shown(child, room, first=first and not texts)
        joined.used |= words.used
        joined.hidden = _both(joined.hidden, words.hidden)
        if words.text.strip():
            texts.append(words.text.strip("\n"))
            if node.content_type == "multipart/report":
                break  # the part for people; the others are for machines, or the mail that came back
    joined.text = "\n\n".join(texts)
    return joined


def _is_text(node: Node) -> bool:
    if node.disposition == "attachment" or node.content_type in FILES:
        return False
    return node.content_type.startswith("text/") or node.content_type in HTML


def _alternative(node: Node, room: Room, *, first: bool) -> Words:
    """One of several versions of the same words: the plain one, unless people who see the HTML read something else."""
    versions = [(child, _shown(child, room, first=first)) for child in node.children]
    # A version that is not chosen is no attachment: it has the same words. A file that came along is.
    used = {id(leaf) for leaf in node.leaves() if leaf.content_type in TWINS and not leaf.file and _is_text(leaf)}
    used |= {each for _, words in versions for each in words.used}
    rich = [words for child, words in versions if any(each.content_type in HTML for each in child.leaves())]
    plain = [words for child, words in versions if all(words is not each for each in rich)]
    html = next((words for words in reversed(rich) if words.text.strip()), Words())
    text = next((words for words in plain if words.text.strip()), Words())
    hidden = "\n".join(each.hidden for each in rich if each.hidden)
    if not html.text.strip() or (text.text.strip() and _says_the_same(text.text, html)):
        # HTML that shows no words (pictures only, or all of it hidden) does not make the plain words unseen.
        return Words(text.text, _both(text.hidden, hidden), used)
    unseen = text.text if text.text and _share(text.text, html.text) < ALIKE else ""
    return Words(html.text, _both(_both(html.hidden, unseen), text.hidden), used)


def _says_the_same(text: str, html: Words) -> bool:
    """Whether the plain version can stand for the HTML: no stub, no other letter, nothing that the HTML hides."""
    if _share(text, html.text) < ALIKE:
        return False
    if html.hidden and _share(html.hidden, text) > ALIKE > _share(html.hidden, html.text):
        return False
    # "Read this letter in your browser: https://..." stands above many a letter, and is all of its plain version.
    stub = len(text) < 300 and re.search(r"https?://|html|browser|online", text, re.IGNORECASE)
    return not stub or len(html.text) < 4 * len(text)


def _share(one: str, other: str) -> float:
    """How much of `one` stands in `other`, by pieces of five letters; 1 if there is nothing to compare."""
    one, other = _letters(one[:20_000]), _letters(other)
    if len(one) <= GRAM:
        return 1.0 if one in other else 0.0
    pieces = {one[at : at + GRAM] for at in range(len(one) - GRAM + 1)}
    return len(pieces & {other[at : at + GRAM] for at in range(len(other) - GRAM + 1)}) / len(pieces)


def _letters(text: str) -> str:
    text = re.sub(r"(?:https?://|www\.|cid:)\S+", "", text[:200_000])
    return re.sub(r"[\W_]+", "", text).casefold()


def _leaf(node: Node, room: Room) -> Words:
    content, charset = node.content, node.parameters.get("charset", "")
    used = {id(node)}
    start = content[:1_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    marked = re.search(rb"<[a-z!/]", content[:MOST_HTML], re.IGNORECASE)
    if (node.content_type in HTML and marked) or start.startswith((b"<!doctype html", b"<html")):
        page = decoded(content, charset) if room.html else "<"
        text, hidden, whole = laid_out(page[: room.html]) if room.html else ("", "", False)
        whole = whole and len(page) <= room.html
        room.html = max(0, room.html - len(page))
        if not whole:
            return Words(f"{text}\n\n{CUT}", _smuggled(hidden))
        return Words(*_visible(text, hidden), used)
    whole = len(content) <= room.text
    text = decode(content[: room.text], charset)
    room.text = max(0, room.text - len(content))
    if node.content_type in ENRICHED:
        text = re.sub(r"(?is)<param>.{0,200}?</param>|<(?!<)[^<>]{0,60}>", "", text).replace("<<", "<")
    elif node.parameters.get("format", "").lower() == "flowed":
        text = unflowed(text, joined=node.parameters.get("delsp", "").lower() == "yes")
    text, hidden = _visible(text, "")
    if not whole:
        return Words(f"{text}\n\n{CUT}", hidden)
    return Words(text, hidden, used)


def _visible(text: str, hidden: str) -> tuple[str, str]:
    """Without the characters that show nothing; what was written in such ones goes to `hidden`."""
    unseen = _smuggled(text)
    # The joiners matter in Persian, Indian scripts and emoji; beside Latin letters and spaces they only break words up.
    text = re.sub("[\u200c\u200d]+", _joiner, text)
    return INVISIBLE.sub("", text), _both(hidden, unseen)


def _joiner(found: re.Match[str]) -> str:
    text, start, end = found.string, found.start(), found.end()
    around = (text[start - 1 : start], text[end : end + 1])
    return found.group() if all(each > "\xa0" for each in around) and end - start < 3 else ""


def _smuggled(text: str) -> str:
    return " ".join("".join(chr(ord(each) - 0xE0000) for each in found) for found in TAGS.findall(text))


def _invitation(node: Node) -> str:
    lines = re.sub(r"\n[ \t]", "", clean(decode(node.content[:MOST_TEXT], node.parameters.get("charset", ""))))
    found = []
    for key in ("SUMMARY", "LOCATION", "DESCRIPTION"):
        match = re.search(rf"(?m)^{key}(?:;[^:\n]*)?:(.+)$", lines)
        if match:
            found.append(re.sub(r"\\(.)", lambda each: "\n" if each[1] in "nN" else each[1], match.group(1)).strip())
    return "\n".join(found)


def _both(one: str, other: str) -> str:
    return "\n".join(each for each in (one, other) if each.strip())
