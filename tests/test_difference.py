"""What changed between two texts: nothing is left out but what is the same, and nothing is made up."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import difference
from dashboard.difference import Line
from knowledge.embedding import Content

OLD = "You have 30 days.\n\nIt is free.\n\nCall us."


def told(found: list[Line], *kinds: str) -> list[str]:
    return [line.text for line in found if line.kind in kinds]


def changed(line: Line) -> str:
    return "".join(words for words, marked in line.parts if marked)


def test_a_changed_line_is_told_as_a_pair_and_just_the_changed_words_are_marked() -> None:
    found = difference.lines(OLD, OLD.replace("30", "45"))
    removed, added = found[0], found[1]
    assert (removed.kind, removed.text, changed(removed)) == ("removed", "You have 30 days.", "30")
    assert (added.kind, added.text, changed(added)) == ("added", "You have 45 days.", "45")


def test_a_line_with_nothing_in_common_is_removed_and_added_in_whole() -> None:
    found = difference.lines("It is free.", "Postage costs five euros")
    assert [(line.kind, changed(line)) for line in found] == [
        ("removed", "It is free."),
        ("added", "Postage costs five euros"),
    ]


def test_what_is_the_same_far_from_a_change_is_left_out_and_counted() -> None:
    same = "\n".join(f"line {number}" for number in range(50))
    found = difference.lines(same, same + "\nnew")
    assert [line.kind for line in found] == ["gap", "same", "same", "added"]
    assert found[0].hidden == 48


def test_each_part_of_an_article_is_told_by_its_name_and_equal_parts_are_not() -> None:
    old = Content("Returns", "Orders", OLD, ("send it back",))
    new = Content("Returns", "Orders", OLD, ("send it back", "refund"))
    (change,) = difference.between(old, new)
    assert change.name == "Customers ask this as"
    assert told(change.lines, "added") == ["refund"]
    assert difference.between(old, old) == []


line = st.lists(st.sampled_from(["a", "b", "c", "parcel", "free", " ", "."]), max_size=6).map(" ".join)
text = st.lists(line, max_size=14).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(text, text)
def test_every_line_of_both_is_told_in_its_order_whatever_they_are(old: str, new: str) -> None:
    around, difference.AROUND = difference.AROUND, 10_000
    try:
        found = difference.lines(old, new)
    finally:
        difference.AROUND = around
    if old.splitlines() != new.splitlines():
        assert told(found, "same", "removed") == old.splitlines()
        assert told(found, "same", "added") == new.splitlines()


def test_long_texts_that_have_nothing_in_common_take_no_time() -> None:
    old, new = ("\n\n".join(f"{word} {number}" for number in range(1_900)) for word in ("old", "new"))
    began = time.process_time()
    found = difference.lines(old, new)
    assert time.process_time() - began < 5
    assert {line.kind for line in found} >= {"removed", "added"}
    short = "\n".join("ab"[number % 2] for number in range(50_000))
    assert {line.kind for line in difference.lines(short, short[1:])} >= {"removed"}
    assert time.process_time() - began < 10


def test_a_hundred_kilobytes_on_one_line_are_compared_in_no_time() -> None:
    old = "word " * 20_000
    found = difference.lines(old, old + "more")
    assert [line.kind for line in found] == ["removed", "added"]
