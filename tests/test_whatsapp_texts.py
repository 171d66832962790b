"""The words of a WhatsApp message, and how a long one is split: nothing lost, nothing torn."""

from dataclasses import replace

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Outbound, Source, TooLong
from channels.whatsapp.texts import LIMIT, MOST_PARTS, MOST_TYPED, length, render, split

SENTENCE = "The parcel is at the depot in Leeds and comes on Thursday before noon. "
EMOJI = ["👩‍👩‍👧‍👦", "🇮🇪", "👍🏽", "❤️", "3️⃣", "é", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "n̈́", "한", "क्षि"]
LINK = "https://help.example.com/orders/track?number=12345&lang=en#where"
SOURCE = Source("Where is my parcel", "https://help.example.com/help/where-is-my-parcel")


def outbound(text: str, **more: object) -> Outbound:
    made = Outbound(key="k", recipient="whatsapp:+15550001", thread="whatsapp:+15550001", text=text, author="agent")
    return replace(made, **more)


def without_spaces(text: str) -> str:
    return "".join(text.split())


def words_of(text: str) -> list[str]:
    """As readers see them: a mark that stands on a space belongs to it, and the two are no gap."""
    signs = regex.findall(r"\X", text)
    return [word for word in "".join("\n" if sign.isspace() else sign for sign in signs).split("\n") if word]


def check(given: Outbound) -> list[Outbound]:
    """What holds for every split."""
    parts = list(split(given))
    assert 1 <= len(parts) <= MOST_PARTS
    for part in parts:
        assert part.text.strip()
        assert length(render(part)) <= LIMIT
    assert [part.disclosure for part in parts] == [given.disclosure, *[""] * (len(parts) - 1)]
    assert [part.sources for part in parts] == [*[()] * (len(parts) - 1), given.sources]
    assert without_spaces("".join(part.text for part in parts)) == without_spaces(given.text)
    return parts


def test_a_short_answer_is_one_message_with_all_that_belongs_to_it():
    given = outbound("It comes on Thursday.", disclosure="I am an AI.", sources=(SOURCE,))
    assert split(given) == (given,)
    assert render(given) == (
        "I am an AI.\n\nIt comes on Thursday.\n\n"
        "Read more: Where is my parcel\nhttps://help.example.com/help/where-is-my-parcel"
    )


def test_a_person_is_named_and_the_agent_is_not():
    assert render(outbound("Hello.", author="person", name="Ana")) == "Ana:\nHello."
    assert render(outbound("Hello.", author="agent", name="Ana")) == "Hello."


@pytest.mark.parametrize(
    "text",
    [
        "Order A_1_B is 5*3*2 euros",
        "__init__ and `x`",
        "> quoted\n- one\n- two\n1. three",
        "~about~ 5 * 3",
        "  two  spaces",
    ],
)
def test_the_words_go_out_exactly_as_they_are(text: str):
    assert render(outbound(text)) == text


def test_a_long_answer_ends_each_message_with_a_sentence():
    given = outbound(SENTENCE * 50, disclosure="I am an AI.", sources=(SOURCE,))
    parts = check(given)
    assert len(parts) == 3
    assert all(part.text.endswith("noon.") for part in parts)


def test_lines_are_kept_together_where_there_are_no_sentences():
    lines = "\n".join(f"{number}. step number {number} of the way to open the box" for number in range(1, 60))
    parts = check(outbound(lines))
    assert len(parts) == 2
    assert all(part.text.endswith("box") for part in parts)
    assert all(part.text[0].isdigit() for part in parts)


def test_a_link_is_never_torn():
    parts = check(outbound(" ".join([LINK] * 60)))
    assert len(parts) == 3
    assert all(word == LINK for part in parts for word in part.text.split())


def test_a_link_among_words_without_spaces_is_never_torn():
    text = "訂" * 1580 + LINK + "。" + "單" * 200
    assert sum(LINK in part.text for part in check(outbound(text))) == 1


def test_a_language_without_spaces_ends_where_its_sentences_do():
    parts = check(outbound("您的包裹目前在利兹的仓库，星期四中午之前送到。" * 100))
    assert len(parts) == 2
    assert all(part.text.endswith("。") for part in parts)


@pytest.mark.parametrize("sign", EMOJI)
@pytest.mark.parametrize("before", range(4))
def test_what_readers_see_as_one_character_is_never_torn(sign: str, before: int):
    count = 2000 // length(sign)
    parts = check(outbound("x" * before + sign * count))
    assert len(parts) == 2
    seen = [each for part in parts for each in regex.findall(r"\X", part.text)]
    assert seen.count(sign) == count


def test_an_emoji_counts_as_two():
    assert len(split(outbound("😀" * (LIMIT // 2)))) == 1
    assert len(check(outbound("😀" * (LIMIT // 2 + 1)))) == 2


def test_a_word_is_torn_only_if_it_fits_in_no_message():
    parts = check(outbound("short words, then " + "a" * 1700))
    assert parts[0].text == "short words, then"
    assert len(parts) == 3


def test_a_space_that_should_not_break_does_so_before_a_word_is_torn():
    parts = check(outbound("Number\u00a05 " * 300))
    assert all(part.text.endswith("Number\u00a05") for part in parts)
    parts = check(outbound("longer\u00a0" * 300 + "longer"))
    assert {word for part in parts for word in part.text.split()} == {"longer"}


def test_what_takes_more_than_three_messages_is_refused_with_how_much_is_taken():
    with pytest.raises(TooLong, match="4,500"):
        split(outbound(SENTENCE * 70))
    with pytest.raises(TooLong, match="4,500"):
        split(outbound("a" * 1_000_000))


def test_a_link_that_fits_in_no_message_is_named():
    with pytest.raises(TooLong, match="link"):
        split(outbound("See https://example.com/" + "a" * 1700))


@pytest.mark.parametrize("word", ["a", "word", "a-longer-word", "😀😀😀😀"])
def test_as_much_as_a_person_may_type_goes_into_three_messages(word: str):
    text = " ".join([word] * MOST_TYPED)[:MOST_TYPED]
    if length(text) > MOST_TYPED:
        text = text[: MOST_TYPED // 2]
    check(outbound(text, author="person", name="Ana Maria Sørensen-O'Brien"))


def test_long_sources_leave_room_for_the_answer():
    many = tuple(Source("A title that goes on " * 20, f"https://help.example.com/{'x' * 300}/{n}") for n in range(9))
    parts = check(outbound(SENTENCE * 30, sources=many))
    assert "Read more: A title" in render(parts[-1])
    assert "https://help.example.com/xxx" in render(parts[-1])


def test_what_is_no_address_is_not_shown_as_one():
    assert render(outbound("Yes.", sources=(Source("Title", "javascript:alert(1)"),))) == "Yes.\n\nRead more: Title"


def test_an_approved_template_is_never_split():
    given = outbound("x" * 5000, purpose="reply ready")
    assert split(given) == (given,)


def test_a_full_message_leaves_something_to_stand_with_its_sources():
    parts = check(outbound(SENTENCE * 22, sources=(SOURCE,)))
    assert len(parts) == 2
    assert parts[1].text.startswith("The parcel")


PIECES = st.one_of(
    st.sampled_from([*EMOJI, LINK, SENTENCE, "\n", "\n\n", " ", "Mr. ", "1. ", "。", "\u00a0", "word", "A_1_B"]),
    st.text(max_size=30),
)
#: Said again and again, so that most of them take several messages.
TEXTS = st.builds(
    lambda pieces, times: ("".join(pieces) * times)[:6000], st.lists(PIECES, min_size=1), st.integers(1, 150)
)


@given(TEXTS, st.booleans(), st.booleans(), st.booleans())
def test_no_text_is_lost_or_torn(text: str, first: bool, sources: bool, person: bool):
    given = outbound(
        text,
        disclosure="I am an AI, not a person." if first else "",
        sources=(SOURCE,) if sources else (),
        author="person" if person else "agent",
        name="Ana",
    )
    if not text.strip():
        return
    try:
        parts = check(given)
    except TooLong:
        assert length(text) > LIMIT
        return
    whole = words_of(text)
    torn = [word for part in parts for word in words_of(part.text)] != whole
    assert not torn or any(length(word) > LIMIT // 2 for word in whole) or "。" in text
    seen = [each for part in parts for each in regex.findall(r"\X", part.text) if not each.isspace()]
    assert seen == [each for each in regex.findall(r"\X", text) if not each.isspace()]
