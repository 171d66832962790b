"""What Claude invents is cut: 60 scripted drafts, and the same facts in other words that must pass."""

import itertools
from typing import Any

import pytest

from service.agent.claims import Support, unsupported
from service.agent.request import split
from tests.claude_kit import QUOTED, RETURNS, SHIPPING, ask
from tests.claude_stand_in import cite, message, said
from tests.passages import passage

pytestmark = pytest.mark.anyio

# --- what is invented is cut -----------------------------------------------------------------------------------------

#: (what Claude writes, the words of the block that it cites); every one says more than its passage.
NUMBERS = [
    ("Outlet goods can be returned within 30 days of delivery.", "14 days"),
    ("Outlet goods can be returned within fourteen weeks of delivery.", "14 days"),
    ("Outlet goods can be returned within 14 hours of delivery.", "14 days"),
    ("Outlet goods can be returned within 14 to 21 days of delivery.", "14 days"),
    ("Outlet goods can be returned within two weeks of delivery.", "14 days"),
    ("A return label costs €6.", "€6.50"),
    ("A return label costs $6.50.", "€6.50"),
    ("A return label costs 6.50%.", "€6.50"),
    ("A return label costs €6.50 or 3 points.", "€6.50"),
    ("A return label costs half of €6.50.", "€6.50"),
    ("Parcels to Ireland take three calendar weeks.", "Ireland"),
    ("Parcels to Ireland take 3-4 working days.", "Ireland"),
    ("Parcels to Ireland take 48 hours.", "Ireland"),
    ("Goods must be unused and in their box since 2019.", "unused"),
    ("Goods must be unused and in their box: call 0800 123.", "unused"),
]
LINKS = [
    ("Write to help@acme.example for help.", "returns@acme"),
    ("Write to returns@acme.example.evil.test for help.", "returns@acme"),
    ("Write to returns@acme.example or use https://acme.example/refunds for help.", "returns@acme"),
    ("Write to returns@acme.example or use http://evil.test for help.", "returns@acme"),
    ("Use https://acme.example/returns?to=evil for help.", "returns@acme"),
    ("Outlet goods can be returned within 14 days of delivery at www.acme.test.", "14 days"),
    ("Outlet goods can be returned within 14 days of delivery: acme.shop/r.", "14 days"),
    ("A return label costs €6.50 [here](https://evil.test/pay).", "€6.50"),
    ("A return label costs €6.50, see bit.ly/label.", "€6.50"),
    ("A return label costs €6.50, paid to label@evil.test.", "€6.50"),
]
PROMISES = [
    ("We will return outlet goods within 14 days of delivery.", "14 days"),
    ("We'll refund outlet goods within 14 days of delivery.", "14 days"),
    ("I have returned the outlet goods within 14 days of delivery.", "14 days"),
    ("I can return outlet goods within 14 days of delivery for you.", "14 days"),
    ("Outlet goods can be returned for a refund within 14 days of delivery.", "14 days"),
    ("Outlet goods will be returned within 14 days of delivery.", "14 days"),
    ("Outlet goods can always be returned within 14 days of delivery.", "14 days"),
    ("All outlet goods can be returned within 14 days of delivery.", "14 days"),
    ("Outlet goods can be returned within 14 days of delivery, guaranteed.", "14 days"),
    ("Your outlet goods are approved to be returned within 14 days of delivery.", "14 days"),
    ("A free return label costs €6.50.", "€6.50"),
    ("A return label costs €6.50, which is credited.", "€6.50"),
    ("A return label costs €6.50 and gives a discount.", "€6.50"),
    ("Our return label costs €6.50.", "€6.50"),
    ("Opened coffee can be returned.", "Opened coffee"),
    ("Opened coffee cannot be returned, except a gift.", "Opened coffee"),
    ("Outlet goods cannot be returned within 14 days of delivery.", "14 days"),
    ("A return label has been sent for €6.50.", "€6.50"),
    ("You are entitled to return outlet goods within 14 days of delivery.", "14 days"),
    ("Outlet goods are automatically returned within 14 days of delivery.", "14 days"),
]
SOURCES = [
    ("According to the law, outlet goods can be returned within 14 days of delivery.", "14 days"),
    ("Outlet goods can be returned within 14 days of delivery under Directive EU.", "14 days"),
    ("The terms say outlet goods can be returned within 14 days of delivery.", "14 days"),
    ("Our policy is that outlet goods can be returned within 14 days of delivery.", "14 days"),
    ("As the “Holiday Returns” page says, outlet goods can be returned within 14 days of delivery.", "14 days"),
    ("Outlet goods can be returned within 14 days of delivery, as Trustpilot confirms.", "14 days"),
    ("A return label from DHL costs €6.50.", "€6.50"),
    ("A return label costs €6.50 in Germany.", "€6.50"),
    ("Parcels to Ireland take 3 working days with Royal Mail.", "Ireland"),
    ("Parcels to Spain take 3 working days.", "Ireland"),
    ("Coffee beans keep fresh when they are stored in a cool cupboard.", "14 days"),
    ("Outlet goods can be returned within 14 days of delivery.", "Ireland"),
    ("The manufacturer's manual says goods must be unused and in their box.", "unused"),
    ("Goods must be unused and in their box, says “the returns handbook”.", "unused"),
    ("Goods must be unused and in their box (source: Wikipedia).", "unused"),
]
INVENTED = [*NUMBERS, *LINKS, *PROMISES, *SOURCES]


async def test_of_sixty_drafts_that_invent_something_no_such_sentence_is_sent(stand_in: Any) -> None:
    assert len(INVENTED) == 60
    assert len(set(INVENTED)) == 60
    turn = itertools.count()

    def lie(body: dict[str, Any]) -> dict[str, Any]:
        """One sentence that holds, one that invents with a citation, and one without any."""
        text, words = INVENTED[next(turn)]
        return message(
            said("You can return outlet goods within 14 days of delivery.", cite(body, "14 days")),
            said(" "),
            said(text, cite(body, words)),
            said(" Anything else is possible too."),
        )

    server = stand_in(lie)
    uncited = []
    for text, _ in INVENTED:
        response = await ask(server.url)
        record = response.record
        assert response.verdict.text == "You can return outlet goods within 14 days of delivery.", text
        assert text in [each["text"] for each in record["claude"]["cut"]], text
        assert all(each["why"] for each in record["claude"]["cut"])
        uncited += [each for each in record["draft"]["sentences"] if not each["evidence"]["cited"]]
    assert uncited == []
    assert len(server.requests) == 60


async def test_a_draft_of_nothing_but_inventions_is_not_sent_at_all(stand_in: Any) -> None:
    for text, words in INVENTED[::6]:
        server = stand_in(lambda body, text=text, words=words: message(said(text, cite(body, words))))
        response = await ask(server.url)
        assert response.verdict.text.startswith(QUOTED)
        assert text not in response.verdict.text or text == QUOTED


#: The same facts in other words: they must pass, or the checks would only ever be passed by copying.
HONEST = [
    ("You can return outlet goods within 14 days of delivery.", "14 days"),
    ("Outlet goods can be returned within fourteen days of delivery.", "14 days"),
    ("Within 14 days of delivery you can return outlet goods.", "14 days"),
    ("The return label costs €6.50.", "€6.50"),
    ("Opened coffee can't be returned.", "Opened coffee"),
    ("For help, write to returns@acme.example or use https://acme.example/returns.", "returns@acme"),
    ("Parcels to France take five working days.", "France"),
    ("Acme parcels to Ireland take 3 working days.", "Ireland"),
]


@pytest.mark.parametrize(("text", "words"), HONEST)
def test_the_same_fact_in_other_words_is_kept(text: str, words: str) -> None:
    blocks = [
        block
        for each in (passage("outlet", "Outlet returns", RETURNS), passage("shipping", "Shipping times", SHIPPING))
        for block in split(each)
    ]
    block = next(block for block in blocks if words in block.text)
    support = Support(block.text, f"Outlet returns\n{block.heading}")
    assert unsupported(text, support, names=["Acme"]) is None


def test_a_passages_own_words_are_kept_whatever_stands_over_them() -> None:
    light = "A light on the display stays on for the first minute. Select Show my data to send us one."
    (whole,) = [passage("light", "A light that will not go out", light)]
    for block in split(whole):
        for sentence in block.sentences:
            support = Support(f"A light that will not go out: {block.text}", own=block.sentences)
            assert unsupported(sentence, support) is None
    # Signs are no words: the same words with another currency are another claim.
    assert unsupported("A label costs $6.50.", Support("A label costs €6.50.")) is not None


#: (what is written, the sentence it cites): a piece of it that says more than the whole.
HALVED = [
    ("Returns are free of charge.", "Returns are free of charge if the item arrived damaged."),
    ("Returns are free of charge if you ask.", "Returns are free of charge if the item arrived damaged."),
    ("You can return worn shoes.", "You can return worn shoes only if the sole is defective."),
    ("You can return worn shoes if the sole is defective.", "You can return worn shoes only if the sole is defective."),
    ("Refunds are possible after 30 days.", "It is not true that refunds are possible after 30 days."),
    ("All items can be returned.", "All items can be returned except sale items."),
    ("Sale items cannot be returned.", "Sale items cannot be returned unless they are faulty."),
    ("You can cancel an order.", "You can cancel an order until it is packed."),
    ("You can cancel an order.", "You can cancel an order before it is packed."),
    ("We pay for the parcel.", "We pay for the parcel after the goods were checked."),
    ("We pay for the parcel.", "We pay for the parcel, provided the label was ours."),
    (
        "Gift cards can be exchanged and worn shoes returned.",
        "Gift cards can be exchanged. Worn shoes can be returned if the sole is defective.",
    ),
]


@pytest.mark.parametrize(("text", "cited"), HALVED)
def test_a_piece_of_a_sentence_without_its_condition_is_cut(text: str, cited: str) -> None:
    own = tuple(f"{each.rstrip('.')}." for each in cited.split(". "))
    assert unsupported(text, Support(cited, own=own)) is not None
    for sentence in own:
        assert unsupported(sentence, Support(cited, own=own)) is None, "whole, it is kept"


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("If your item arrived damaged, returns are free.", "Returns are free of charge if the item arrived damaged."),
        ("Returns are free when an item arrived damaged.", "Returns are free of charge if the item arrived damaged."),
        ("Except for sale items, all items can be returned.", "All items can be returned except sale items."),
        ("Orders can be cancelled until they are packed.", "You can cancel an order until it is packed."),
    ],
)
def test_a_condition_in_other_words_is_kept(text: str, cited: str) -> None:
    assert unsupported(text, Support(cited)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"search_result_index": 9},
        {"source": "another@1#1"},
        {"start_block_index": 40, "end_block_index": 41},
        {"end_block_index": 0},
        {"cited_text": "Outlet goods can be returned for ever."},
        {"type": "web_search_result_location"},
    ],
)
async def test_a_citation_of_what_was_not_sent_counts_for_nothing(stand_in: Any, change: dict[str, Any]) -> None:
    server = stand_in(lambda body: message(said(QUOTED, cite(body, "14 days") | change)))
    response = await ask(server.url)
    assert response.record["claude"]["cut"][0]["why"] == "no citation"
    assert "Nothing that claude-haiku-5-5 wrote is held" in response.verdict.reason


async def test_half_a_sentence_cannot_hide_behind_the_citation_of_the_other_half(stand_in: Any) -> None:
    server = stand_in(
        lambda body: message(
            said("You can return outlet goods within 14 days of delivery", cite(body, "14 days")),
            said(" at the kiosk on the corner."),
        )
    )
    response = await ask(server.url)
    assert response.record["claude"]["cut"][0]["why"] == "a part of it has no citation"
    assert "kiosk" not in response.verdict.text


async def test_what_leans_on_a_sentence_that_was_cut_is_cut_with_it(stand_in: Any) -> None:
    server = stand_in(
        lambda body: message(
            said(f"{QUOTED} ", cite(body, "14 days")),
            said("Candles melt. "),
            said("They must be unused and in their box.", cite(body, "unused")),
        )
    )
    response = await ask(server.url)
    assert response.verdict.text == QUOTED
    assert "2 sentences of it were cut." in response.verdict.reason
