"""Every sentence said stands in its passage, word for word."""

from service.agent.evidence import Draft, Quoted, check, describe
from tests.passages import passage

PASSAGE = passage(
    "birch", "Descale the Birch", "Use **two** sachets. Never use vinegar, not even once.\n\n- Wait 35 minutes."
)


def test_what_the_passage_says_stays() -> None:
    draft = Draft("extractive", (Quoted("Use two sachets.", 0), Quoted("Wait 35 minutes.", 0)), {})
    checked, cut = check(draft, [PASSAGE])
    assert checked == draft
    assert cut == ()


def test_what_the_passage_does_not_say_is_cut() -> None:
    draft = Draft("extractive", (Quoted("Use two sachets.", 0), Quoted("Use three sachets.", 0)), {})
    checked, cut = check(draft, [PASSAGE])
    assert [each.text for each in checked.sentences] == ["Use two sachets."]
    assert cut == ("Use three sachets.",)


def test_marks_and_capitals_do_not_count_but_words_and_their_order_do() -> None:
    held = [Quoted("never use vinegar - not even once", 0), Quoted("Never vinegar use", 0), Quoted("Use two sachet", 0)]
    _, cut = check(Draft("extractive", tuple(held), {}), [PASSAGE])
    assert cut == ("Never vinegar use", "Use two sachet")


def test_a_sentence_without_a_passage_or_without_words_is_cut() -> None:
    _, cut = check(Draft("extractive", (Quoted("Use two sachets.", 1), Quoted("...", 0)), {}), [PASSAGE])
    assert len(cut) == 2


def test_the_record_names_the_passage_of_each_sentence() -> None:
    described = describe(Draft("extractive", (Quoted("Use two sachets.", 0),), {}), [PASSAGE])
    assert described["sentences"][0]["evidence"]["title"] == "Descale the Birch"
