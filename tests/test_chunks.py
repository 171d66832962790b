"""Markdown to sections, chunks and sentences."""

from itertools import pairwise

import pytest

from knowledge.chunks import MAX_WORDS, OVERLAP_WORDS, chunks, first_heading, sections, words
from knowledge.sentences import split


def numbered(count: int, length: int = 20) -> str:
    """Sentences that can be told apart, of `length` words each."""
    return " ".join(f"Sentence {number} " + "goes on " * ((length - 4) // 2) + "and ends." for number in range(count))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It costs €4.50. Returns cost 3.5 % more.", ["It costs €4.50.", "Returns cost 3.5 % more."]),
        ("Bring e.g. Your receipt. Ask Mr. Byrne.", ["Bring e.g. Your receipt.", "Ask Mr. Byrne."]),
        ("See No. 5 for this. No. We do not.", ["See No. 5 for this.", "No.", "We do not."]),
        ("We open at 9 a.m. on Monday. Call us!", ["We open at 9 a.m. on Monday.", "Call us!"]),
        ("Is it free? yes, it is.", ["Is it free?", "yes, it is."]),
        ("J. Smith wrote it. 2. Close it.", ["J. Smith wrote it.", "2. Close it."]),
        ('She asked "Why?" Nobody knew.', ['She asked "Why?"', "Nobody knew."]),
        ("这是咖啡。那是茶。", ["这是咖啡。", "那是茶。"]),
        ("Visit pellworth.example. Then pay.", ["Visit pellworth.example.", "Then pay."]),
        ("   ", []),
    ],
)
def test_a_sentence_ends_where_a_reader_would_end_it(text: str, wanted: list[str]) -> None:
    assert split(text) == wanted


def test_no_word_of_a_paragraph_is_lost_between_its_sentences() -> None:
    text = 'Wait (ca. 5 min.). Then... call! "Really?" he said. U.S. Customs, Inc. asks; fine… Done'
    assert " ".join(split(text)) == text


def test_list_items_are_sentences_and_marks_are_gone() -> None:
    (chunk,) = chunks(
        "Before you **pay**:\n\n1. Open *Orders*.\n2. Choose [your order](https://x.example/o)\n- A tea\n"
    )
    assert chunk.sentences == ("Before you pay:", "Open Orders.", "Choose your order", "A tea")
    assert chunk.text == "Before you pay:\nOpen Orders.\nChoose your order\nA tea"


def test_images_scripts_and_comments_leave_nothing() -> None:
    text = (
        "Look ![a cat](cat.png)here.\n\n<script>alert('x')</script>\n\n<!-- secret -->\n\n<style>p {}</style>\n\nEnd."
    )
    assert [line for section in sections(text) for line in section.lines] == ["Look here.", "End."]


def test_a_row_of_a_table_can_be_understood_by_itself() -> None:
    table = "| Country | Days | Price |\n|---|---|---|\n| Ireland | 1 to 2 | €4.50 |\n| Norway | 5 to 9 | |\n"
    (section,) = sections(table)
    assert section.lines == ("Ireland; Days: 1 to 2; Price: €4.50", "Norway; Days: 5 to 9")


def test_html_is_read_like_markdown_even_when_its_tags_are_not_closed() -> None:
    text = "<h2>Delivery</h2><p>One<br>Two <a href='#'>three</a><table><tr><th>A<th>B<tr><td>x<td>y</table><p>Four"
    (section,) = sections(text)
    assert section.heading == "Delivery"
    assert section.lines == ("One", "Two three", "x; B: y", "Four")


def test_a_heading_stands_with_those_above_it_and_the_title_is_not_repeated() -> None:
    text = "# Returns\n\nIntro.\n\n## Cards\n\nA.\n\n### Debit\n\nB.\n\n## Cash\n\nC."
    assert [section.heading for section in sections(text, "returns")] == ["", "Cards", "Cards > Debit", "Cash"]
    assert first_heading(text) == "Returns"
    assert first_heading("No heading here.") == ""


def test_a_long_section_is_cut_between_sentences_with_an_overlap() -> None:
    made = chunks("## Terms\n\n" + numbered(40))
    assert len(made) > 3, "it must be cut for this to mean anything"
    for chunk in made:
        assert chunk.heading == "Terms"
        assert words(chunk.text) <= MAX_WORDS
        assert all(sentence in chunk.text for sentence in chunk.sentences)
    for before, after in pairwise(made):
        again = [sentence for sentence in before.sentences if sentence in after.sentences]
        assert again
        assert again == list(after.sentences[: len(again)])
        assert sum(map(words, again)) <= OVERLAP_WORDS
    seen = dict.fromkeys(sentence for chunk in made for sentence in chunk.sentences)
    assert list(seen) == split(numbered(40))


def test_short_sections_are_read_together_and_long_ones_are_not() -> None:
    short = chunks("## A\n\nTiny one.\n\n## B\n\nTiny two.")
    assert [(chunk.heading, chunk.text) for chunk in short] == [("A", "Tiny one.\nB\nTiny two.")]
    assert short[0].sentences == ("Tiny one.", "Tiny two."), "a heading is no sentence to quote"
    long = chunks(f"## A\n\n{numbered(5)}\n\n## B\n\n{numbered(5)}")
    assert [chunk.heading for chunk in long] == ["A", "B"]


@pytest.mark.parametrize("text", ["word " * 5_000, "x" * 20_000, "字" * 5_000])
def test_a_sentence_without_an_end_still_fits_the_embedder(text: str) -> None:
    made = chunks(text)
    assert len(made) > 1
    assert max(words(chunk.text) for chunk in made) <= MAX_WORDS
    assert sum(len(chunk.text.replace(" ", "")) for chunk in made) >= len(text.replace(" ", ""))


@pytest.mark.parametrize("text", ["", "   \n", "\0", "\ud800", "> " * 500 + "x", "<" * 2_000, "[" * 2_000, "|" * 2_000])
def test_odd_text_does_no_harm(text: str) -> None:
    assert isinstance(chunks(text, text), list)
