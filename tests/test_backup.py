"""A backup restores what was there, from either kind of database into either, or it changes nothing."""

import json
import random
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlmodel import SQLModel, col, func, select

from channels.base import OutcomeUnknown
from knowledge import Knowledge, import_folder
from knowledge.articles import Article
from service import conversations, saying, staff_verbs
from service.archive import KINDS, BackupError, kinds
from service.backup import backup
from service.db import Database
from service.models import (
    Attachment,
    AuditEvent,
    Conversation,
    Customer,
    Decision,
    Delivery,
    Escalation,
    Label,
    Message,
    Presence,
    Quarantine,
    StaffSession,
)
from service.restore import ROWS, restore, without_nul
from service.settings import Settings
from tests.apart import apart
from tests.conftest import migrate
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, make_staff, settle_all, write

pytestmark = pytest.mark.anyio

ARTICLES = {
    "opening-hours": ("Opening hours", "when are you open", "We are open from nine to five. On Sundays we are closed."),
    "returns": ("Returns", "send something back", "A parcel can be returned within 30 days. The label costs €6.50."),
}
NASTY = ["", " ", "\x01\x1f\x7f", "\\u0000", "\\", '"', "\u2028", "é", "日本", "😀", "\r\n", "'; DROP TABLE", "\ufffd"]


def quiet(done: int, total: int, what: str) -> None:
    assert 0 <= done <= max(total, 1), what


def to_settings(db: Database, data_dir: Path, **values: Any) -> Settings:
    url = db.url.replace("+aiosqlite", "").replace("+asyncpg", "")
    return Settings(database_url=url, data_dir=data_dir, _env_file=None, **values)


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database to restore into."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'other.db'}"
    return request.getfixturevalue("empty_postgres")()


async def rows(db: Database, *without: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    found = {}
    async with db.engine.connect() as connection:
        for table in SQLModel.metadata.sorted_tables:
            if table.name not in without:
                query = select(table).order_by(*table.primary_key.columns)
                found[table.name] = [tuple(row) for row in (await connection.execute(query)).all()]
    return found


#: An identity of a customer there is not.
INSERT = "INSERT INTO identity (id, customer_id, channel, external_id, created_at) VALUES (999, 99999, 'c', 'x', 1.0)"


async def fill(db: Database, embedder: Any, folder: Path) -> None:
    """Articles, and conversations in every state a backup may find them in."""
    folder.mkdir(exist_ok=True)
    for slug, (title, phrase, body) in ARTICLES.items():
        (folder / f"{slug}.md").write_text(f"---\ntitle: {title}\nphrases:\n  - {phrase}\n---\n{body}\n")
    await import_folder(db, embedder, folder, by="import")
    ana = await make_staff(db, "Ana")
    context = make_context(db)
    for thread in ("answered", "taken", "resolved", "waiting"):
        await write(context, f"hello from {thread}", thread=thread)
    await settle_all(context)
    async with db.write() as session:
        for number, conversation in enumerate((await session.exec(select(Conversation))).all()):
            if conversation.thread == "taken":
                await staff_verbs.reply(session, conversation.id, ana, "I am on it.", "key-taken")
            elif conversation.thread == "resolved":
                await staff_verbs.resolve(session, conversation.id, ana)
            elif conversation.thread == "waiting":
                await conversations.escalate(session, conversation, f"Somebody must look, {number}.")
        session.add(StaffSession(token_hash="a" * 64, staff_id=ana.id, csrf="c"))
        chance = random.Random(7)
        for number in range(2 * ROWS + 7):
            name = "".join(chance.choices(NASTY, k=5))
            session.add(Customer(name=name, email=chance.choice([None, "", f"{number}@example.org"])))
        taken = (await session.exec(select(Conversation).where(Conversation.thread == "taken"))).one()
        for value in (0.1 + 0.2, 1e-300, -1.7976931348623157e308, 5e-324, 1764000000.1234567):
            record = {"text": "".join(chance.choices(NASTY, k=9)), "number": value, "deep": [None, True, {"": []}]}
            session.add(
                Decision(
                    conversation_id=taken.id,
                    verdict="answer",
                    reason="r",
                    confidence=value,
                    record=record,
                    created_at=1.5,
                )
            )
        await session.flush()
        first = (await session.exec(select(Decision.id).limit(1))).one()
        session.add(Label(decision_id=first, staff_id=ana.id, value="wrong", created_at=2.5))
        article = (await session.exec(select(Article.id).limit(1))).one()
        session.add(Presence(page="a" * 32, article_id=article, staff_id=ana.id))
        came = (await session.exec(select(Message.id).limit(1))).one()
        session.add(
            Attachment(message_id=came, name="\u00e9.png", content_type="image/png", size=3, content=b"\0\xff\n")
        )
        awaited = {"name": "", "content_type": "", "size": 0, "content": b"", "url": "https://files.example/1"}
        session.add(Attachment(message_id=came, due_at=5.5, lease_until=0.1 + 0.2, attempts=2, **awaited))
        session.add(Attachment(message_id=came, reason="It is gone.", **awaited))
        session.add(Quarantine(channel="sink", external_id="q", reason="It is no mail.", raw=bytes(range(256))))
    await settle_all(context)


async def owe(db: Database) -> None:
    """A reply whose outcome is unknown, one that is ready, and messages without an answer."""
    context = make_context(db, channel=ScriptedChannel(OutcomeUnknown("no answer"), known="unreachable"))
    await write(context, "did it arrive?", thread="sending")
    await settle_all(context)
    await write(context, "the newest question", thread="owed")
    await write(context, "and one more", thread="ready")
    async with db.write() as session:
        conversation = (await session.exec(select(Conversation).where(Conversation.thread == "ready"))).one()
        conversation.ready_at = None
        for message in await conversations.owed_messages(session, conversation.id):
            message.status = "answered"
        await saying.say(session, conversation, author="agent", text="Not sent yet.", key="key-ready")
        await saying.say(
            session, conversation, author="person", text="Kept until they write.", key="key-held", held=True
        )


async def test_a_backup_restores_every_row_into_either_kind_of_database(
    db: Database, other_url: str, embedder: Any, tmp_path: Path
) -> None:
    await fill(db, embedder, tmp_path / "articles")
    await owe(db)
    before = await rows(db, "audit_event")
    empty = {name for name, found in before.items() if not found}
    assert empty <= {"throttle", "job", "channel_memory", "presence"}, "there must be rows for this to mean anything"
    here, there = (
        to_settings(db, tmp_path / "a"),
        Settings(database_url=other_url, data_dir=tmp_path / "b", _env_file=None),
    )
    count = await backup(here, tmp_path / "b.zip", force=False, progress=quiet)
    assert count == sum(map(len, (await rows(db)).values()))
    said = await restore(there, tmp_path / "b.zip", force=False, resume=True, progress=quiet)
    assert "restored" in said[0]
    assert there.signing_key() == here.signing_key(), "visitors' tokens are good over there"
    other = Database(there.url)
    try:
        assert await rows(other, "audit_event") == before
        async with other.write() as session:
            events = (await session.exec(select(AuditEvent).where(AuditEvent.action == "restored"))).all()
            assert [event.actor for event in events] == ["operator"]
            # New rows come after the restored ones, and foreign keys are held again.
            session.add(made := Customer(name="new"))
            await session.flush()
            assert made.id == 1 + max(row[0] for row in before["customer"])
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            async with other.write() as session:
                await session.exec(text(INSERT))
        knowledge = Knowledge(other.read, embedder, tmp_path / "b" / "index")
        await knowledge.start()
        try:
            found = await knowledge.search("send something back")
            assert "30 days" in found.passages[0].text
        finally:
            await knowledge.close()
        context = make_context(other)
        await write(context, "hello again", thread="answered")
        await settle_all(context)
        assert "echo: hello again" in [each.text for each in context.channels["sink"].sent]
    finally:
        await other.close()


async def test_what_was_owed_goes_to_people_and_is_not_sent_again(
    db: Database, other_url: str, embedder: Any, tmp_path: Path
) -> None:
    await fill(db, embedder, tmp_path / "articles")
    await owe(db)
    there = Settings(database_url=other_url, data_dir=tmp_path / "b", _env_file=None)
    before = await rows(db, "audit_event")
    await backup(to_settings(db, tmp_path / "a"), tmp_path / "b.zip", force=False, progress=quiet)
    said = await restore(there, tmp_path / "b.zip", force=False, resume=False, progress=quiet)
    assert "replies that were not sent: 3, conversations without an answer: 1." in said[1]
    other = Database(there.url)
    try:
        after = await rows(other, "audit_event")
        changed = {name for name in before if after[name] != before[name]}
        assert changed == {"conversation", "message", "delivery", "escalation", "staff_session", "channel_memory"}
        assert after["staff_session"] == [], "nobody is signed in who may have signed out since"
        context = make_context(other)
        await settle_all(context)
        assert context.channels["sink"].sent == []
        async with other.read() as session:
            owed = (await session.exec(select(Delivery).where(col(Delivery.due_at).is_not(None)))).all()
            assert owed == []
            for thread in ("sending", "ready", "owed"):
                conversation = (await session.exec(select(Conversation).where(Conversation.thread == thread))).one()
                assert conversation.state == "waiting"
                call = (
                    await session.exec(
                        select(Escalation)
                        .where(Escalation.conversation_id == conversation.id)
                        .order_by(col(Escalation.id).desc())
                    )
                ).first()
                assert call is not None
                assert "backup of 20" in call.reason
            for key in ("key-ready", "key-held"):
                message = (await session.exec(select(Message).where(Message.external_id == key))).one()
                assert message.status == "uncertain"
                assert "may have been sent since" in message.reason
            untouched = (await session.exec(select(Conversation).where(Conversation.thread == "answered"))).one()
            old = next(row for row in before["conversation"] if row[0] == untouched.id)
            clock = [column.name for column in SQLModel.metadata.tables["conversation"].columns].index("clock")
            assert untouched.clock > old[clock] + 100, "a reader who has read on since the backup misses nothing"
    finally:
        await other.close()


async def test_a_backup_is_of_one_moment_while_others_write(db: Database, embedder: Any, tmp_path: Path) -> None:
    await fill(db, embedder, tmp_path / "articles")
    before = await rows(db)
    wrote = 0

    writer = Database(db.url)
    pending: list[Any] = []

    def busy(done: int, total: int, what: str) -> None:
        # From the backup's own loop: another connection commits in the middle of it.
        nonlocal wrote
        if what.startswith("Writing customer") and not wrote:
            wrote = 1
            pending.append(what)
            _commit_elsewhere(db.url)

    await backup(to_settings(db, tmp_path / "a"), tmp_path / "b.zip", force=False, progress=busy)
    assert pending, "somebody must have written for this to mean anything"
    assert len((await rows(db))["throttle"]) == len(before["throttle"]) + 1
    await writer.close()
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        manifest = json.loads(file.read("manifest.json"))
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == {k: len(v) for k, v in before.items()}


def _commit_elsewhere(url: str) -> None:
    from service.models import Throttle

    async def run() -> None:
        made = Database(url)
        async with made.write() as session:
            session.add(Throttle(key="in the middle"))
        await made.close()

    apart(run)


async def test_a_backup_is_its_owners_alone_and_replaces_nothing_unasked(db: Database, tmp_path: Path) -> None:
    settings, path = to_settings(db, tmp_path / "a"), tmp_path / "b.zip"
    await backup(settings, path, force=False, progress=quiet)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    with pytest.raises(BackupError, match="--force"):
        await backup(settings, path, force=False, progress=quiet)
    assert path.read_bytes() == content
    await backup(settings, path, force=True, progress=quiet)
    assert [each.name for each in tmp_path.iterdir() if ".part" in each.name] == []


async def test_a_backup_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a", database_url=f"sqlite:///{tmp_path}/none.db", _env_file=None)
    with pytest.raises(BackupError, match="no tables"):
        await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    migrate(f"sqlite:///{tmp_path}/some.db")
    settings.database_url = f"sqlite:///{tmp_path}/some.db"

    def fail(done: int, total: int, what: str) -> None:
        raise BackupError("The disk is full.")

    db = Database(settings.url)
    await make_staff(db, "Ana")
    await db.close()
    with pytest.raises(BackupError, match="disk"):
        await backup(settings, tmp_path / "b.zip", force=False, progress=fail)
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".*"))


async def test_restore_refuses_a_database_with_rows_and_force_replaces_them(
    db: Database, embedder: Any, tmp_path: Path
) -> None:
    settings = to_settings(db, tmp_path / "a")
    await fill(db, embedder, tmp_path / "articles")
    before = await rows(db, "audit_event", "staff_session")
    await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    async with db.write() as session:
        session.add(Customer(name="after the backup"))
    await db.engine.dispose()
    with pytest.raises(BackupError, match=r"not empty.*customer: \d+.*--force"):
        await restore(settings, tmp_path / "b.zip", force=False, resume=True, progress=quiet)
    await restore(settings, tmp_path / "b.zip", force=True, resume=True, progress=quiet)
    assert await rows(db, "audit_event", "staff_session") == before


async def test_a_restore_that_fails_halfway_changes_nothing(db: Database, embedder: Any, tmp_path: Path) -> None:
    settings = to_settings(db, tmp_path / "a")
    await fill(db, embedder, tmp_path / "articles")
    before, key = await rows(db), settings.signing_key()
    await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    # A well-made file with one row fewer: its children refer to nobody.
    rewrite(tmp_path / "b.zip", "tables/staff.jsonl", lambda content: b"")
    await db.engine.dispose()
    with pytest.raises(BackupError, match="Nothing was changed"):
        await restore(settings, tmp_path / "b.zip", force=True, resume=False, progress=quiet)
    assert await rows(db) == before
    assert settings.signing_key() == key
    assert not list((tmp_path / "a").glob(".*part"))


def rewrite(path: Path, name: str, change: Any) -> None:
    """Change a member, with sums that fit."""
    import hashlib

    with zipfile.ZipFile(path) as file:
        members = {each: file.read(each) for each in file.namelist()}
    members[name] = change(members[name])
    manifest = json.loads(members["manifest.json"])
    if name in manifest["sha256"]:
        manifest["sha256"][name] = hashlib.sha256(members[name]).hexdigest()
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for each, content in members.items():
            file.writestr(each, content)


async def test_a_damaged_or_truncated_file_is_refused_before_anything_is_touched(db: Database, tmp_path: Path) -> None:
    settings = to_settings(db, tmp_path / "a")
    await make_staff(db, "Ana")
    await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    whole = (tmp_path / "b.zip").read_bytes()
    before = await rows(db)
    await db.engine.dispose()
    chance = random.Random(3)
    for _ in range(30):
        broken = bytearray(whole)
        if chance.random() < 0.4:
            broken = broken[: chance.randrange(len(broken))]
        else:
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        (tmp_path / "broken.zip").write_bytes(broken)
        with pytest.raises(BackupError):  # where the damage is to no byte of any row: the database is not empty
            await restore(settings, tmp_path / "broken.zip", force=False, resume=True, progress=quiet)
        assert await rows(db) == before
        await db.engine.dispose()
    rewritten = tmp_path / "b.zip"
    with zipfile.ZipFile(rewritten) as file:
        members = {each: file.read(each) for each in file.namelist()}
    members["tables/staff.jsonl"] = members["tables/staff.jsonl"].replace(b"Ana", b"Eve")
    with zipfile.ZipFile(rewritten, "w") as file:
        for each, content in members.items():
            file.writestr(each, content)
    with pytest.raises(BackupError, match=r"damaged \(tables/staff"):
        await restore(settings, rewritten, force=True, resume=True, progress=quiet)


@pytest.mark.parametrize("change", ["schema", "format"])
async def test_a_backup_of_a_newer_firstline_is_refused(db: Database, tmp_path: Path, change: str) -> None:
    settings = to_settings(db, tmp_path / "a")
    await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    value = {"schema": "9999", "format": 99}[change]
    rewrite(tmp_path / "b.zip", "manifest.json", lambda old: json.dumps({**json.loads(old), change: value}).encode())
    await db.engine.dispose()
    with pytest.raises(BackupError, match="newer Firstline"):
        await restore(settings, tmp_path / "b.zip", force=True, resume=True, progress=quiet)


async def test_a_backup_of_an_older_schema_is_restored_and_brought_up_to_date(
    database_url: str, other_url: str, tmp_path: Path
) -> None:
    from alembic import command

    from service import migrations

    old = Database(Settings(database_url=database_url, _env_file=None).url)
    async with old.transaction() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrations.config(sync), "0001"))
        await connection.execute(
            text(
                "INSERT INTO staff (name, email, role, password_hash, created_at) "
                "VALUES ('Ana', 'a@b.c', 'admin', '-', 1.5)"
            )
        )
    assert not await migrations.current(old)
    await backup(to_settings(old, tmp_path / "a"), tmp_path / "b.zip", force=False, progress=quiet)
    await old.close()
    there = Settings(database_url=other_url, data_dir=tmp_path / "b", _env_file=None)
    await restore(there, tmp_path / "b.zip", force=False, resume=False, progress=quiet)
    other = Database(there.url)
    assert await migrations.current(other)
    async with other.engine.connect() as connection:
        found = (await connection.execute(text("SELECT name, wants_email FROM staff"))).one()
    assert (found[0], bool(found[1])) == ("Ana", False)
    await other.close()


async def test_restore_refuses_while_firstline_runs_on_the_database(
    db: Database, embedder: Any, tmp_path: Path
) -> None:
    settings = to_settings(db, tmp_path / "a")
    await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    running = Database(db.url)
    async with running.read() as session:
        await session.exec(select(func.count()).select_from(Customer))
        knowledge = Knowledge(running.read, embedder, settings.data_dir / "index")
        await knowledge.start()
        with pytest.raises(BackupError, match="Stop"):
            await restore(settings, tmp_path / "b.zip", force=True, resume=True, progress=quiet)
        await knowledge.close()
        if not db.sqlite:  # on another machine: the database knows
            with pytest.raises(BackupError, match=r"running on this database"):
                await restore(settings, tmp_path / "b.zip", force=True, resume=True, progress=quiet)
    await running.close()
    await db.engine.dispose()
    await restore(settings, tmp_path / "b.zip", force=True, resume=True, progress=quiet)


async def test_a_database_that_others_use_too_is_left_alone(db: Database, tmp_path: Path) -> None:
    settings = to_settings(db, tmp_path / "a")
    await backup(settings, tmp_path / "b.zip", force=False, progress=quiet)
    async with db.transaction() as connection:
        await connection.execute(text("CREATE TABLE payroll (id INTEGER)"))
    await db.engine.dispose()
    with pytest.raises(BackupError, match="payroll"):
        await restore(settings, tmp_path / "b.zip", force=True, resume=True, progress=quiet)
    async with db.engine.connect() as connection:
        assert "payroll" in await connection.run_sync(lambda sync: inspect(sync).get_table_names())


@pytest.mark.parametrize(
    ("kind", "value", "becomes"),
    [
        ("text", "a\0b", "a\ufffdb"),
        ("text", "plain \\u0000", "plain \\u0000"),
        ("json", '{"a": "\\u0000\\u0000"}', '{"a": "\\ufffd\\ufffd"}'),
        ("json", '{"a": "\\\\u0000"}', '{"a": "\\\\u0000"}'),
        ("json", '{"a": "\\\\\\u0000"}', '{"a": "\\\\\\ufffd"}'),
        ("json", None, None),
    ],
)
def test_a_nul_becomes_what_postgresql_takes_and_nothing_else_changes(kind: str, value: Any, becomes: Any) -> None:
    row = [value]
    assert without_nul(row, [kind]) == (value != becomes)
    assert row == [becomes]


def test_every_column_of_the_models_is_of_a_kind_that_a_backup_knows() -> None:
    found = {kind for columns in kinds(SQLModel.metadata).values() for kind in columns.values()}
    assert found == {kind for _, kind in KINDS}


def test_a_secret_key_that_is_set_is_said_to_differ(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    migrate(url)
    made = Settings(database_url=url, data_dir=tmp_path / "a", _env_file=None)
    other = Settings(
        database_url=f"sqlite:///{tmp_path / 'b.db'}", data_dir=tmp_path / "b", secret_key="s" * 40, _env_file=None
    )
    same = Settings(
        database_url=f"sqlite:///{tmp_path / 'c.db'}",
        data_dir=tmp_path / "c",
        secret_key=made.signing_key().hex(),
        _env_file=None,
    )

    said: dict[str, list[str]] = {}

    async def run() -> None:
        await backup(made, tmp_path / "b.zip", force=False, progress=quiet)
        for name, settings in (("other", other), ("same", same)):
            said[name] = await restore(settings, tmp_path / "b.zip", force=False, resume=False, progress=quiet)

    apart(run)
    assert any("SECRET_KEY is not the key" in sentence for sentence in said["other"])
    assert not any("SECRET_KEY" in sentence for sentence in said["same"])
