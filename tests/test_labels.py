"""Labels: what staff think of a decision, seen by colleagues and kept for fitting."""

import pytest
from sqlmodel import select

from knowledge import Knowledge
from service import labels
from service.agent import Agent, Asked
from service.agent.confidence import Confidence
from service.models import AuditEvent, Conversation, Decision, Label
from service.staff_verbs import NotPossible
from tests.desk_kit import Desk
from tests.test_articles_desk import ENGRAVING

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(db) -> Desk:
    return Desk(db)


async def decided(desk: Desk, verdict: str = "answer", **fields) -> tuple[int, int]:
    """A conversation with one decision; the ids of both."""
    conversation = await desk.conversation(("customer", "where is it?"), ("agent", "In Ennis."))
    return conversation, await desk.decide(2, conversation, verdict=verdict, reason="It is so.", **fields)


async def test_a_label_is_stored_changed_withdrawn_and_on_record(desk: Desk) -> None:
    ana = await desk.make_staff("Ana")
    conversation, decision = await decided(desk)
    before = await clock(desk, conversation)
    for value, at in (("right", 10.0), ("right", 20.0), ("wrong", 30.0)):
        async with desk.db.write() as session:
            await labels.label(session, decision, ana, value, at)
    async with desk.db.read() as session:
        [kept] = (await session.exec(select(Label))).all()
    assert (kept.value, kept.created_at) == ("wrong", 30.0)
    async with desk.db.write() as session:
        await labels.withdraw(session, decision, ana)
    async with desk.db.write() as session:
        await labels.withdraw(session, decision, ana)
    async with desk.db.read() as session:
        assert (await session.exec(select(Label))).all() == []
        events = (await session.exec(select(AuditEvent).order_by(AuditEvent.id))).all()
    assert [event.action for event in events] == ["labelled", "labelled", "label_withdrawn"]
    assert all(event.staff_id == ana.id for event in events)
    after = await clock(desk, conversation)
    assert after[0] == before[0] + 3, "whoever has it open sees each change"
    assert after[1] == before[1], "a label is not the conversation going on"


async def clock(desk: Desk, conversation: int) -> tuple[int, float]:
    async with desk.db.read() as session:
        found = await session.get(Conversation, conversation)
    assert found is not None
    return found.clock, found.updated_at


async def test_what_cannot_be_labelled_is_said(desk: Desk) -> None:
    ana = await desk.make_staff("Ana")
    _, decision = await decided(desk, "escalate")
    for value, words in (("perfect", "can be labelled right, wrong, person"), ("person", "was called for already")):
        with pytest.raises(NotPossible, match=words):
            async with desk.db.write() as session:
                await labels.label(session, decision, ana, value, 1.0)
    with pytest.raises(NotPossible, match="does not exist"):
        async with desk.db.write() as session:
            await labels.label(session, decision + 1, ana, "right", 1.0)


async def test_the_latest_label_counts_where_staff_disagree(desk: Desk) -> None:
    ana, ben = await desk.make_staff("Ana"), await desk.make_staff("Ben")
    _, decision = await decided(desk, confidence=0.9, record={"facts": {"top": 0.7}})
    for staff, value, at in ((ana, "right", 10.0), (ben, "wrong", 20.0)):
        async with desk.db.write() as session:
            await labels.label(session, decision, staff, value, at)
    async with desk.db.read() as session:
        assert labels.counts((await labels.of_decisions(session, [decision]))[decision]) == "wrong"
        assert (await session.exec(select(labels.latest()).select_from(Decision))).one() == "wrong"
        [example] = await labels.examples(session)
    assert example == labels.Example(decision, {"top": 0.7}, 0.9, right=False)
    async with desk.db.write() as session:
        await labels.label(session, decision, ana, "wrong", 30.0)
    async with desk.db.write() as session:
        await labels.label(session, decision, ana, "right", 40.0)
    async with desk.db.read() as session:
        [example] = await labels.examples(session)
    assert example.right


async def test_only_answers_to_one_question_teach_anything(desk: Desk) -> None:
    ana = await desk.make_staff("Ana")
    facts = {"facts": {"top": 0.7}}
    for verdict, record in (
        ("answer", facts),
        ("escalate", facts),
        ("answer", {}),
        ("answer", facts | {"parts": [{}, {}]}),
    ):
        _, decision = await decided(desk, verdict, record=record)
        async with desk.db.write() as session:
            await labels.label(session, decision, ana, "right", 1.0)
    _, unlabelled = await decided(desk, record=facts)
    async with desk.db.read() as session:
        examples = await labels.examples(session)
    assert [example.decision_id for example in examples] == [unlabelled - 4]


async def test_a_decision_holds_every_fact_that_confidence_is_fitted_on(desk: Desk, embedder, tmp_path) -> None:
    knowledge, confidence = Knowledge(desk.db.read, embedder, tmp_path / "index"), Confidence.shipped()
    desk.context.knowledge = knowledge
    editor = await desk.signed_in(await desk.make_staff("Eddy", "editor"))
    made = await editor.post("/desk/articles/new", **ENGRAVING)
    await editor.post(made.headers["location"].split("?")[0], base="1", then="publish", **ENGRAVING)
    await knowledge.refresh()
    agent = Agent(knowledge, confidence, company="Acme", wrong_rate=0.05)
    response = await agent.respond(Asked("can you engrave my lid?"))
    await knowledge.close()
    assert response.record["draft"], "only a draft has all of them"
    assert set(confidence.names) <= set(response.record["facts"])
    assert confidence.predict(response.record["facts"]) == pytest.approx(response.confidence)


async def test_staff_label_at_the_desk_and_read_each_other(desk: Desk) -> None:
    conversation, decision = await decided(desk)
    ana, eddy = await desk.make_staff("Ana"), await desk.make_staff("Eddy", "editor")
    first, second = await desk.signed_in(ana), await desk.signed_in(eddy)
    page = f"/desk/conversations/{conversation}"
    answer = await first.post(f"/desk/decisions/{decision}/label", value="wrong")
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert 'aria-pressed="true" title="Press again to withdraw it">Wrong<' in (await first.get(page)).text
    theirs = (await second.get(page)).text
    assert "Ana: Wrong" in theirs
    assert 'aria-pressed="true"' not in theirs
    answer = await second.post(f"/desk/decisions/{decision}/label", htmx=True, value="right")
    assert 'aria-pressed="true" title="Press again to withdraw it">Right<' in answer.text
    await first.post(f"/desk/decisions/{decision}/label", value="")
    assert "Ana: Wrong" not in (await second.get(page)).text
    assert (await first.post("/desk/decisions/999/label", value="right")).status_code == 404
    for each in (first, second):  # an editor has nothing to type in, and is told as well
        bad = await each.post(f"/desk/decisions/{decision}/label", value="perfect")
        assert bad.status_code == 409
        assert "not &#39;perfect&#39;" in bad.text
