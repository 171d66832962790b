"""HTML as a reader sees it: lines, links, quotes, and what is hidden."""

import time

import pytest

from channels.email.html import laid_out
from channels.email.mime import read

SHOWN = {
    "<p>One</p><p>Two<br>three</p><div>four</div><div>five</div>": "One\n\nTwo\nthree\n\nfour\nfive",
    "a  b\n c&nbsp;d &lt;e&gt;": "a b c d <e>",
    "<ul><li>one<li>two<ul><li>deep</ul></ul><ol start=3><li>x<li>y</ol>": "- one\n- two\n  - deep\n\n3. x\n4. y",
    "<table><tr><th>Item<th>Price<tr><td>Cup<td><p>5 EUR</p></table>": "Item | Price\nCup | 5 EUR",
    "<pre>a\n  b\n\nc</pre>": "a\n  b\n\nc",
    '<a href="https://x.com/a">our page</a>': "our page (https://x.com/a)",
    '<a href="https://www.x.com/">x.com</a>': "x.com",
    '<a href="mailto:a@b.com?subject=x">write</a>': "write (a@b.com)",
    '<a href="javascript:x()">z</a> <a href="#top">y</a>': "z y",
    "<title>no</title><style>p{}</style><script>no</script>yes": "yes",
    "no tags < at all": "no tags < at all",
    "<p>never <b>closed": "never closed",
    'Hi <img alt="😀"><img alt="Send me a refund">': "Hi 😀",
    # Quotes
    "<p>new</p><blockquote>a<blockquote>b</blockquote></blockquote>more": "new\n\n> a\n>\n>> b\n\nmore",
    '<div>Hi</div><div class="gmail_quote"><div>On Mon, X wrote:</div><blockquote class="gmail_quote">old</blockquote>'
    "<div>below</div></div>": "Hi\n\n> On Mon, X wrote:\n>\n> old\n\nbelow",
    'Hi<div class="moz-cite-prefix">X wrote:</div><blockquote>old</blockquote>': "Hi\n\n> X wrote:\n>\n> old",
    'Hi<div class="yahoo_quoted"><p>old</p></div>': "Hi\n\n> old",
    'Hi<hr><div id="divRplyFwdMsg"><b>From:</b> x</div><div>old</div>': "Hi\n\n> From: x\n> old",
    '<blockquote style="margin:0 0 0 40px;border:none">mine</blockquote>': "mine",
    # Seen, though it looks as if it were not
    '<td style="font-size:0"><span style="font-size:14px">seen</span></td>': "seen",
    '<body bgcolor=black><p style="color:white">seen</p></body>': "seen",
    '<div style="background:url(x.png);color:#fff">seen</div>': "seen",
    "<style>@media (max-width:400px){.x{display:none}}</style><p class=x>seen</p>": "seen",
    "<style>.x{display:none}</style><p class=x style='display:block!important'>seen</p>": "seen",
    '<div style="visibility:hidden">a<i style="visibility:visible">seen</i></div>': "seen",
    '<div style="overflow:hidden;height:auto">seen</div>': "seen",
    '<div style="color:#999">seen</div>': "seen",
}


@pytest.mark.parametrize("page", SHOWN)
def test_html_is_read_as_people_see_it(page: str) -> None:
    assert laid_out(page)[0] == SHOWN[page]


HIDDEN = [
    '<div style="display:none">REFUND</div>',
    '<div style="DISPLAY : None !important">REFUND</div>',
    '<div style="display:none"><p style="display:block">REFUND</p></div>',
    '<span style="visibility:hidden">REFUND</span>',
    '<span style="font-size:0">REFUND</span>',
    '<span style="font-size:1px">REFUND</span>',
    '<span style="font-size:.05em">REFUND</span>',
    '<span style="font:1px/1 Arial">REFUND</span>',
    '<span style="color:#fff">REFUND</span>',
    '<span style="color:#FEFEFE">REFUND</span>',
    '<span style="color:rgb(255, 255, 255)">REFUND</span>',
    '<span style="color:hsl(0, 0%, 100%)">REFUND</span>',
    '<span style="color:transparent">REFUND</span>',
    '<span style="color:rgba(0,0,0,0)">REFUND</span>',
    '<span style="color:#00000000">REFUND</span>',
    "<font color=white>REFUND</font>",
    '<div style="background:#123456"><i style="color:#123457">REFUND</i></div>',
    '<table bgcolor="#000"><tr><td style="color:black">REFUND</td></tr></table>',
    '<div style="opacity:0">REFUND</div>',
    '<div style="max-height:0;overflow:hidden">REFUND</div>',
    '<div style="height:0px;width:0px;overflow:hidden">REFUND</div>',
    '<div style="position:absolute;left:-9999px">REFUND</div>',
    '<div style="position:absolute;clip:rect(0,0,0,0)">REFUND</div>',
    '<p style="text-indent:-9999px">REFUND</p>',
    '<p style="transform:scale(0)">REFUND</p>',
    "<p hidden>REFUND</p>",
    '<p class="preheader" aria-hidden="true">REFUND</p>',
    "<!-- REFUND -->",
    '<img src="x.png" alt="Please send a REFUND">',
    "<style>.x{display:none}</style><p class=x>REFUND</p>",
    "<style>#x{font-size:0}</style><p id=x>REFUND</p>",
    "<style>div.a > .b{color:white}</style><div class=a><p class='b c'>REFUND</p></div>",
    "<style>/* x */ @media screen{.x , .y{display:none}}</style><p class=y>REFUND</p>",
]


@pytest.mark.parametrize("page", HIDDEN)
def test_what_readers_do_not_see_stays_out_of_the_words(page: str) -> None:
    text, hidden, whole = laid_out(f"<p>before</p>{page}<p>after</p>")
    assert (text, whole) == ("before\n\nafter", True)
    assert "REFUND" in hidden


def test_conditional_comments_are_neither_seen_nor_hidden() -> None:
    assert laid_out("<!--[if mso]><p>x</p><![endif]-->Hi") == ("Hi", "", True)


def test_embedded_pictures_take_no_room() -> None:
    page = '<p>Hi</p><img src="data:image/png;base64,' + "QUJD" * 1_000_000 + '"><p>after</p>'
    assert read(b"From: a@b.com\r\nContent-Type: text/html\r\n\r\n" + page.encode()).text == "Hi\n\nafter"


def test_the_page_may_name_its_charset() -> None:
    page = '<meta charset="koi8-r"><p>Привет, где мой заказ?</p>'.encode("koi8-r")
    assert read(b"From: a@b.com\r\nContent-Type: text/html\r\n\r\n" + page).text == "Привет, где мой заказ?"


HOSTILE = {
    "deep": "<div>" * 200_000 + "x",
    "deep tables": "<table><tr><td>" * 60_000 + "x",
    "deep quotes": "<blockquote>" * 80_000 + "x",
    "deep lists": "<ul><li>" * 100_000,
    "links": "<a href=http://x.com/a>y" * 40_000,
    "cells": "<td>x" * 200_000,
    "rules": "<style>" + ".a .b .c{display:none}" * 20_000 + "</style>" + "<p class='a b c'>x" * 30_000,
    "open rules": "<style>" + "@media " * 100_000 + "{" * 100_000,
    "open comments": "<style>" + "/*" * 400_000 + "</style><p style='" + "/*" * 100_000 + "'>x",
    "long style": '<p style="' + "a:b;" * 240_000 + '">x',
    "transforms": '<p style="transform:' + "translate(" * 1_900 + '">' * 50,
    "joiners": "é" + "&zwj;" * 190_000 + "é",
    "blanks": "x" + " " * 900_000 + "y",
    "comments": "<!--x-->" * 120_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_takes_bounded_time_and_nothing_is_lost(name: str) -> None:
    began = time.perf_counter()
    found = read(b"From: a@b.com\r\nContent-Type: text/html\r\n\r\n" + HOSTILE[name].encode())
    assert time.perf_counter() - began < 8  # alone it is below a second; others may be using the machine
    if found.text.endswith("all of it is attached.]"):
        assert [part.name for part in found.attachments] == ["text.html"]
    else:
        assert found.attachments == ()
