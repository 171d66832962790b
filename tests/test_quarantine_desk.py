"""What staff see of mail: what could not be read, what was cut, files, and who is not proved to be who they say."""

import pytest
from sqlmodel import select

from service.models import Attachment, Identity, Job, Message, Quarantine
from tests.desk_kit import Desk

pytestmark = pytest.mark.anyio

EVIL = '<script>alert("x")</script>'


@pytest.fixture
async def desk(db) -> Desk:
    return Desk(db)


async def signed_in(desk: Desk, role: str = "support"):
    return await desk.signed_in(await desk.make_staff(role.title(), role))


async def put(desk: Desk, **fields) -> int:
    values = {"channel": "post", "external_id": "q1", "reason": "It is cut off.", "raw": b"From: x\r\n\r\nhello"}
    async with desk.db.write() as session:
        row = Quarantine(**values | fields)
        session.add(row)
    return row.id


async def test_what_could_not_be_read_is_on_the_desk_until_somebody_has_looked(desk: Desk) -> None:
    browser = await signed_in(desk)
    before = (await browser.get("/desk")).text
    assert "could not be read" not in before
    row = await put(desk, sender="ana@example.org", subject=EVIL, raw=b"\x00\xff" + EVIL.encode() * 2000)
    page = (await browser.get("/desk")).text
    assert "1 message could not be read" in page
    versions = [text.split('data-version="')[1].split('"')[0] for text in (before, page)]
    assert versions[0] != versions[1], "an open page must hear of it"
    listed = (await browser.get("/desk/quarantine")).text
    assert "ana@example.org" in listed
    assert "It is cut off." in listed
    one = (await browser.get(f"/desk/quarantine/{row}")).text
    assert EVIL not in listed + one
    assert "&lt;script&gt;" in one
    assert "Its beginning" in one
    answer = await browser.post(f"/desk/quarantine/{row}/seen")
    assert answer.headers["location"] == "/desk/quarantine"
    assert "could not be read" not in (await browser.get("/desk")).text
    assert "Looked at by Support" in (await browser.get("/desk/quarantine")).text


async def test_strangers_bytes_are_saved_and_never_opened(desk: Desk) -> None:
    browser = await signed_in(desk)
    conversation = await desk.conversation(("customer", "look at this"))
    async with desk.db.write() as session:
        message = (await session.exec(select(Message))).one()
        file = Attachment(
            message_id=message.id, name='ö"\r\n<b>.html', content_type="text/html", size=2300, content=EVIL.encode()
        )
        session.add(file)
        await session.flush()
        message.attachments = [
            {"id": file.id, "name": file.name, "type": "text/html", "size": 2300},
            {"name": "old", "type": "a/b"},
        ]
    page = (await browser.get(f"/desk/conversations/{conversation}")).text
    assert f'href="/desk/files/{file.id}"' in page
    assert "text/html, 2 kB" in page
    for address, content in (
        (f"/desk/files/{file.id}", EVIL.encode()),
        (f"/desk/quarantine/{await put(desk)}/raw", b"From: x\r\n\r\nhello"),
    ):
        answer = await browser.get(address)
        assert answer.content == content
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-store"
    for address in ("/desk/files/999", "/desk/quarantine/999", "/desk/quarantine/999/raw"):
        assert (await browser.get(address)).status_code == 404


async def test_a_mail_is_shown_whole_with_what_staff_should_know(desk: Desk) -> None:
    browser = await signed_in(desk)
    fields = {"subject": EVIL, "rest": "> the earlier words", "notes": ["Words that no reader sees were left out."]}
    conversation = await desk.conversation(Message(author="customer", text="new words", status="answered", **fields))
    page = (await browser.get(f"/desk/conversations/{conversation}")).text
    assert "&gt; the earlier words" in page
    assert "Words that no reader sees were left out." in page
    assert EVIL not in page
    assert "sender not verified" not in page
    async with desk.db.write() as session:
        (await session.exec(select(Identity))).one().verified = False
    assert "sender not verified" in (await browser.get(f"/desk/conversations/{conversation}")).text


async def test_a_mailbox_that_cannot_be_heard_is_told_on_the_desk(desk: Desk) -> None:
    browser = await signed_in(desk)
    async with desk.db.write() as session:
        session.add(Job(name="listen:post", last_error="The mailbox refuses the password."))
        session.add(Job(name="listen:gone", last_error="Nobody has this channel."))
    page = (await browser.get("/desk")).text
    assert "Pigeon post: nothing new is heard. The mailbox refuses the password." in page
    assert "Nobody has this channel." not in page
