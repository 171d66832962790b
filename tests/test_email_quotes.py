"""The new words of a reply: real replies, mail programs of twenty languages, hostile texts; nothing is lost."""

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.quotes import MOST_CHARACTERS, split
from tests.reply_labels import REPLIES


def written() -> dict[str, tuple[str, list[str]]]:
    """The replies of payloads/replies.txt: the mail, and its lines that are new."""
    text = (Path(__file__).parent / "payloads" / "replies.txt").read_text()
    found = {}
    for block in text.split("\n=== ")[1:]:
        name, *lines = block.split("\n")
        lines = [line for line in lines if line]
        assert all(line[0] in "+-" and line[1:2] in ("", " ") for line in lines), name
        assert name not in found, name
        new = [line[2:].rstrip() for line in lines if line[0] == "+" and line[2:].strip()]
        found[name] = ("\n".join(line[2:] for line in lines), new)
    return found


WRITTEN = written()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", REPLIES)
def test_a_real_reply_gives_the_words_a_careful_reader_names(name: str, shared_data: Path) -> None:
    text = (shared_data / "email" / "replies" / name).read_bytes().decode()
    assert words(split(text).new) == REPLIES[name]


def test_every_real_reply_has_a_label(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "email" / "replies").glob("*.txt")} == set(REPLIES)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_mail_programs_reply_gives_the_lines_marked_as_new(name: str) -> None:
    text, new = WRITTEN[name]
    made = split(text)
    assert [line for line in made.new.split("\n") if line] == new
    assert interleaved(text, made.new, made.cut)


@pytest.mark.parametrize("name", WRITTEN)
def test_splitting_what_is_new_changes_nothing(name: str) -> None:
    new = split(WRITTEN[name][0]).new
    again = split(new)
    assert (again.new, again.cut) == (new, "")


def test_the_written_replies_are_many_and_cannot_be_had_by_keeping_or_cutting_alone() -> None:
    languages = {re.sub(r"^(?:\w{3,}, )?(\w\w),.*", r"\1", name) for name in WRITTEN}
    assert languages >= set("en de fr es it nl pt pl sv da no fi cs ru uk tr ja zh ko".split())
    whole = sum("\n".join(new) == text.strip() for text, new in WRITTEN.values())
    first = sum(new[-1:] == text.split("\n\n")[0].split("\n")[-1:] for text, new in WRITTEN.values())
    assert len(WRITTEN) > 120
    assert whole < len(WRITTEN) / 5
    assert first < len(WRITTEN) * 0.9


def test_a_name_and_address_that_are_announced_are_words_and_no_signature() -> None:
    address = "Anna Berg\nMill Lane 5\n12345 Berlin"
    assert split(f"Please send it to:\n\n{address}", "Anna Berg").new.endswith("12345 Berlin")
    assert split(f"Please send it.\n\n{address}", "Anna Berg").new == "Please send it."


def test_words_of_ones_own_around_a_quote_stay_paragraphs() -> None:
    assert split("One.\n> quoted\nTwo, and\nmore.\n> quoted\n").new == "One.\n\nTwo, and\nmore."


def test_what_was_cut_is_kept_in_order() -> None:
    text = "Yes.\n\nRegards,\nAnna\n\nOn 2 March 2026 at 10:15, Acme <a@acme.example> wrote:\n\n> Shall we?\n"
    made = split(text)
    assert made.new == "Yes."
    assert made.cut.startswith("Regards,\nAnna\n\nOn 2 March 2026")
    assert made.cut.endswith("> Shall we?")


@pytest.mark.parametrize(
    "text",
    [
        "Thanks,\nAnna",
        "-- \nAnna",
        "Sent from my iPhone",
        "> only a quote",
        "On 2 March 2026 at 10:15, Acme <a@acme.example> wrote:\n\n> Shall we?",
        "On 2 March 2026 at 10:15, Acme <a@acme.example> wrote:\n\nShall we?",
        "From: a@b.example\nTo: c@d.example\nSubject: e\nDate: f",
        "-----Original Message-----",
        "This e-mail is confidential and only for the addressee. Whoever received it in error must delete it at once.",
        "Please type your reply above this line\n\nhello",
        "_____\nsome mailing list",
    ],
)
def test_a_text_with_words_never_becomes_empty(text: str) -> None:
    assert re.search(r"\w", split(text).new)


@pytest.mark.parametrize("text", ["", "\n", "  \n\t\r\n", "\x00"])
def test_a_text_without_words_is_no_trouble(text: str) -> None:
    made = split(text)
    assert not (made.new + made.cut).strip("\x00")


def test_an_empty_reply_with_a_signature_is_not_taken_for_the_question_it_quotes() -> None:
    made = split("Regards,\nAnna\n\nOn 2 March 2026 at 10:15, Acme <a@acme.example> wrote:\n\n> Shall we?")
    assert made.new == "Regards,\nAnna"


@pytest.mark.parametrize("below", ["Tom Baker", "Tom", "*Tom Baker*\nHead of Purchasing\n+44 20 7946 0000", "Baker."])
def test_the_senders_own_name_below_their_words_is_a_signature(below: str) -> None:
    text = f"person\n\n{below}\n\nSent from my iPhone"
    assert split(text, "Tom Baker").new == "person"
    assert split(below, "Tom Baker").new == below, "alone it is what they say"
    assert split(text, "Anna Lee").new.startswith("person\n\n"), "a name not known may be meant"


def test_a_name_with_words_below_it_is_no_signature() -> None:
    text = "The card is made out to\n\nTom Baker\nWhat shall I do?"
    assert split(text, "Tom Baker").new == text


# --- nothing is lost ---------------------------------------------------------------------------------------------

FRAGMENTS = [
    "> ", ">> ", "On Mon, 2 Mar 2026 at 10:15, ", "Am 02.03.26 um 10:15 schrieb ", "<a@b.example>", " wrote:",
    ":", "\n", "\n", "\n\n", "From: ", "To: ", "Subject: ", "Sent: ", "-- \n", "--\n", "Regards,\n",
    "Thanks,\n", "Anna", "PS: ", "Sent from my iPhone\n", "________________\n", "-----Original Message-----\n",
    "Begin forwarded message:\n", "?", ".", "mailing list", "confidential", "addressee", "いつ届きますか。", "\r\n",
    "\t", "Tom> ", "- ", " ", ">5 ",
]  # fmt: skip


def interleaved(text: str, new: str, cut: str) -> bool:
    """Whether the lines of the text are those of `new` and `cut`, each in its order."""
    there = [line.rstrip() for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    news, cuts = ([line for line in part.split("\n") if line.strip()] for part in (new, cut))
    reached = {0}  # how many lines of `new` may have been used up
    for n, line in enumerate(there):
        stays = {i for i in reached if n - i < len(cuts) and cuts[n - i].strip() == line.strip()}
        moves = {i + 1 for i in reached if i < len(news) and news[i].strip() == line.strip()}
        reached = stays | moves
    return len(news) + len(cuts) == len(there) and len(news) in reached


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text("abc é\n>", max_size=9)), max_size=60))
def test_new_and_cut_together_hold_every_word_in_order(pieces: list[str]) -> None:
    text = "".join(f"{piece}{n}" if n % 3 == 0 else piece for n, piece in enumerate(pieces))
    made = split(text)
    assert interleaved(text, made.new, made.cut)
    assert made.new or not re.search(r"\w", text)


def test_the_check_that_nothing_is_lost_can_fail() -> None:
    assert interleaved("a\nb\nc", "a\nc", "b")
    assert not interleaved("a\nb\nc", "c\na", "b")
    assert not interleaved("a\nb\nc", "a", "b")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text: str) -> None:
    made = split(text)
    assert made.new or not re.search(r"\w", text)


# --- hostile texts -----------------------------------------------------------------------------------------------

SHAPES = [
    " ", "\n", "\r", ">", "> \n", ">>>>\n", "On ", "On Mon, 2 Mar 2026 10:15 ",
    "On Mon, 2 Mar 2026 10:15 <a@b.c>\n", "On Mon, 2 Mar 2026 10:15 <a@b.c> wrote\n", "wrote:\n", ":\n",
    "From: a\n", "*From:* a\n", "De : a@b\nÀ : b\n", "To: a\nxxx\n", "From: a@b\n\n",
    "From: a@b\nTo: b\nSubject: c\n", "-", "-----\n", "-----a-----\n", "---- Original ",
    "-----Original Message-----\n", "--\n", "-- \nx\n", "Thanks,\n", "Regards,\nAnna\n\n", "Regards,\nPS: hi\n",
    "Sent from my iPhone\n\n", "Sent from my ", "Sent ", "_____\nmailing list\n\n", "A ",
    "kind best warm very ", "<", "<a@",
    "This e-mail is confidential and only for the addressee: if you received it in error delete it at once.\n\n",
    "> Which size?\n42\n", "> a\nbb\n", "Tom> x\n", f"> {'x' * 80}\nlower\n", "I want:\n> x\n", "veuillez ",
    "mit a ", "x\n", "x\n\n", "On Mon 2026\n10:15 <\na@b.c\n",
    "Begin forwarded message:\nFrom: a@b\nTo: b\nSubject: c\n\n", "感谢", "merci d'avance ",
]  # fmt: skip


def seconds(text: str) -> float:
    began = time.process_time()
    made = split(text)
    took = time.process_time() - began
    assert sorted(f"{made.new}\n{made.cut}".split()) == sorted(text.split())
    return took


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hostile_text_takes_less_than_a_second(shape: str) -> None:
    assert seconds((shape * (200_000 // len(shape) + 1))[:200_000]) < 1


def test_a_hostile_mixture_takes_less_than_a_second() -> None:
    dice = random.Random(7)
    for _ in range(5):
        assert seconds("".join(dice.choices(FRAGMENTS, k=40_000))[:200_000]) < 1


def test_what_is_beyond_the_limit_is_not_looked_at_and_not_lost() -> None:
    assert seconds("word\n" * MOST_CHARACTERS) < 1
    assert split("word\n" * MOST_CHARACTERS).cut == ""
    history = "On 2 March 2026 at 10:15, Acme <a@acme.example> wrote:\n" + "> word\n" * MOST_CHARACTERS
    made = split("Yes, please.\n\n" + history)
    assert made.new == "Yes, please."
    assert made.cut == history.strip()
