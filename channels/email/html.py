"""HTML as a reader of the mail sees it: its words in lines, quotes marked with ">", and what is hidden kept apart."""

import html
import re

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] lxml comes without types

from channels.email.bounds import MOST_ELEMENTS, MOST_HTML
from channels.email.charsets import clean, decode
from channels.email.css import Look, declarations, seen
from channels.email.lines import Lines
from channels.email.sheets import Compound, Sheet

NOT_SHOWN = {
    "audio",
    "canvas",
    "datalist",
    "head",
    "iframe",
    "noembed",
    "noframes",
    "object",
    "script",
    "select",
    "style",
}
NOT_SHOWN |= {"svg", "template", "textarea", "title", "video", "math", "meta", "link"}
PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre", "blockquote", "hr", "fieldset"}
BLOCKS = {"address", "article", "aside", "body", "caption", "center", "dd", "details", "div", "dt", "figcaption"}
BLOCKS |= {"figure", "footer", "form", "header", "legend", "li", "main", "nav", "section", "summary", "tr"} | PARAGRAPHS
# What mail programs put around what they quote. Its first line often says whose words follow.
QUOTES = {".gmail_quote", ".gmail_extra", ".yahoo_quoted", ".moz-cite-prefix", ".protonmail_quote", ".tutanota_quote"}
QUOTES |= {
    ".zmail_extra",
    ".mail-quote",
    ".cite-prefix",
    ".outlookmessageheader",
    ".ms-outlook-mobile-reference-message",
}
QUOTES |= {".gmail_quote_container", ".mb_quote", "#isreplycontent", "#isforwardcontent", ".quotedtext", ".qt"}
# What stands before the quoted words, which follow beside it.
BEFORE_QUOTES = {"#divrplyfwdmsg", "#appendonsend", "#mail-editor-reference-message-container"}
PREHEADER = re.compile(r"preheader|preview", re.IGNORECASE)
LONGEST_LINK = 300  # characters of an address that are shown: more is a tracker's


def decoded(content: bytes, charset: str) -> str:
    """The HTML as text: by the charset of the part, or the one that the page itself names."""
    if not charset and (found := re.search(rb"<meta[^>]{0,200}?charset=[\"']?([\w.:-]{1,40})", content[:4_000], re.I)):
        charset = found.group(1).decode("ascii")
    # Embedded pictures are no words, and may be megabytes.
    content = re.sub(rb"(?i)(src|href|url\()(\s*=\s*)?([\"']?)data:[^\"'\s>)]*", rb"\1\2\3", content)
    return decode(content[: MOST_HTML + 1], charset)


def laid_out(text: str) -> tuple[str, str, bool]:
    """What is seen, what is hidden, and whether that is all of it. Never raises, in time that grows with the length."""
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError):
        root = None
    if root is None:
        return clean(html.unescape(re.sub(r"<[^<>]*>", " ", text))).strip(), "", True
    page = Page(root)
    page.walk()
    # The parser gives up below 2,048 elements in one another.
    too_deep = any("depth" in each.message for each in parser.error_log.filter_from_errors())
    return page.lines.text(), page.hidden(), page.whole and not too_deep


class Page:
    """One walk over the tree, without recursion: however deep it is nested."""

    def __init__(self, root: etree._Element) -> None:
        self.root = root
        self.lines = Lines()
        self.whole = True
        self._unseen: list[str] = []
        self._looks = [Look()]
        self._path: list[Compound] = []
        self._links: list[tuple[int, str]] = []
        self._quoted: list[tuple[int, int]] = []  # at which depth of the tree how many quotes began
        self._lists: list[list[int]] = []
        self._sheet = Sheet(["".join(each.itertext()) for each in root.iter("style")])

    def hidden(self) -> str:
        return re.sub(r"\s+", " ", clean(" ".join(self._unseen))).strip()

    def walk(self) -> None:
        walker = etree.iterwalk(self.root, events=("start", "end", "comment"))
        count, skipped = 0, ""
        for event, element in walker:
            if event == "comment":
                self._comment(element)
            elif event == "start":
                count += 1
                if count > MOST_ELEMENTS or self._sheet.checks < 0:
                    self.whole = False
                    return
                if element.tag in NOT_SHOWN:
                    walker.skip_subtree()
                    skipped = element.tag
                else:
                    self._open(element)
            elif skipped:
                skipped = ""
                self._put(element.tail)
            else:
                self._close(element)

    def _comment(self, element: etree._Element) -> None:
        # Conditional comments are for Outlook, and repeat what stands beside them.
        if element.text and not element.text.lstrip().startswith(("[if", "<![endif")):
            self._unseen.append(element.text)
        self._put(element.tail)

    def _open(self, element: etree._Element) -> None:
        tag, given = str(element.tag).lower(), {str(name).lower(): str(value) for name, value in element.attrib.items()}
        marks = {f".{each}" for each in given.get("class", "").lower().split()[:50]}
        marks |= {f"#{given['id'].lower()}"} if given.get("id") else set()
        self._path.append((tag, frozenset(marks)))
        own = declarations(given["style"]) if "style" in given else {}
        style = own
        if self._sheet:
            style = self._sheet.style(self._path)
            style |= {k: v for k, v in own.items() if not style.get(k, "").endswith("!important") or "!imp" in v}
        look = seen(self._looks[-1], style, given)
        if given.get("aria-hidden") == "true" and PREHEADER.search(given.get("class", "") + given.get("id", "")):
            look = Look(gone=True)
        if tag == "pre" and "white-space" not in style and not look.gone:
            look = Look(look.gone, look.visible, look.size, look.colour, look.ground, True)
        if tag == "dialog" and "open" not in given:
            look = Look(gone=True)
        self._looks.append(look)
        if not look.hidden:
            self._begin(element, tag, given, style, marks)
        self._put(element.text)

    def _begin(self, element: etree._Element, tag: str, given: dict, style: dict, marks: set[str]) -> None:
        if tag == "br":
            self.lines.end()
        elif tag == "img":
            alt = clean(given.get("alt", ""))
            # A picture's words are seen only where it isn't; but emoji are often pictures.
            (self.lines.put if 0 < len(alt) <= 8 and not re.search(r"[\w<>]", alt) else self._unseen.append)(alt)
        elif tag == "input" and given.get("type", "").lower() in ("button", "submit"):
            self._put(given.get("value"))
        elif tag == "a" and (href := _address(given.get("href", ""))):
            self._links.append((len(self._path), href))
            self.lines.mark()
        elif tag in ("td", "th"):
            self.lines.cell(single=_is_simple(element))
        elif tag in BLOCKS:
            self.lines.block(gap=tag in PARAGRAPHS and not (tag in ("ul", "ol") and self._lists))
        quotes = int(_is_quote(tag, style, marks, self._path))
        if quotes:
            self._quoted.append((len(self._path), quotes))
            self.lines.quote(quotes)
        elif marks & BEFORE_QUOTES:
            self._quoted.append((len(self._path) - 1, 1))
            self.lines.quote(1)
        if tag in ("ul", "ol"):
            start = given.get("start", "")
            self._lists.append([len(self._path), int(start) if re.fullmatch(r"\d{1,6}", start) else 1, tag == "ol"])
        elif tag == "li":
            bullet = "- "
            if self._lists and self._lists[-1][2]:
                bullet = f"{self._lists[-1][1]}. "
                self._lists[-1][1] += 1
            self.lines.bullet("  " * min(10, max(0, len(self._lists) - 1)) + bullet)

    def _close(self, element: etree._Element) -> None:
        tag, depth = self._path[-1][0], len(self._path)
        if self._links and self._links[-1][0] == depth:
            self._link(self._links.pop()[1])
        if self._lists and self._lists[-1][0] == depth:
            self._lists.pop()
        if not self._looks[-1].hidden:
            if tag in ("td", "th"):
                self.lines.cell_ends()
            elif tag in BLOCKS:
                self.lines.block(gap=tag in PARAGRAPHS and not (tag in ("ul", "ol") and self._lists))
        while self._quoted and self._quoted[-1][0] >= depth:
            _, quotes = self._quoted.pop()
            self.lines.quote(-quotes)
        if tag == "blockquote":
            self._ends_quote()
        self._path.pop()
        self._looks.pop()
        self._put(element.tail)

    def _ends_quote(self) -> None:
        """What a person writes below the quoted words is theirs, also within what the program put around the quote."""
        if self._quoted and self._quoted[-1][0] == len(self._path) - 1:
            depth, quotes = self._quoted[-1]
            if quotes and self._path[depth - 1][0] != "blockquote":
                self._quoted[-1] = (depth, 0)
                self.lines.quote(-quotes)

    def _put(self, text: str | None) -> None:
        if not text:
            return
        look = self._looks[-1]
        if not look.hidden:
            self.lines.put(text, pre=look.pre)
        elif text.strip():
            self._unseen.append(text)

    def _link(self, href: str) -> None:
        shown = self.lines.since_mark()
        if shown and _bare(href) not in _bare(shown) and not self._looks[-1].hidden:
            self.lines.put(f" ({href})")


def _address(href: str) -> str:
    href = re.sub(r"\s+", "", href)
    if not re.match(r"https?://|mailto:", href, re.IGNORECASE):
        return ""
    href = re.sub(r"(?i)^mailto:([^?]*).*", r"\1", href)
    return href if len(href) <= LONGEST_LINK else href[:LONGEST_LINK] + "..."


def _bare(address: str) -> str:
    return re.sub(r"^(https?://)?(www\.)?", "", re.sub(r"\s+", "", address).casefold()).rstrip("/")


def _is_quote(tag: str, style: dict, marks: set[str], path: list[Compound]) -> bool:
    if tag == "blockquote":
        around, its_marks = path[-2] if len(path) > 1 else ("", frozenset[str]())
        if around != "blockquote" and its_marks & QUOTES:
            return False  # what is around it counts
        # An indent, which some programs make of it: without a border, and nobody's words.
        return bool(marks & QUOTES) or not (style.get("border", "").startswith(("none", "0")) and "margin" in style)
    return bool(marks & QUOTES)


def _is_simple(element: etree._Element) -> bool:
    """A cell of one line: nothing in it that makes lines, but one paragraph."""
    blocks = 0
    for number, each in enumerate(element.iterdescendants()):
        tag = each.tag
        if number > 30 or tag in ("br", "table", "ul", "ol", "blockquote", "pre", "hr"):
            return False
        blocks += tag in BLOCKS
    return blocks <= 1
