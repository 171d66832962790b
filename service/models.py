"""The service's tables. All times are seconds since 1970 (UTC); leases and due times are the database's own clock.

`folded` is what a search compares (folding.py), written with the row; who changes words by an UPDATE changes it too.
"""

import hashlib
from typing import Any

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, LargeBinary, UniqueConstraint, event, false, true
from sqlmodel import Field, Relationship, SQLModel

from service.columns import Id, empty_dict, empty_list, json_list, json_object, key, moment, ref, words
from service.folding import fold


class Customer(SQLModel, table=True):
    """A person who writes to us. Email and phone may be missing, and are claims until proven."""

    id: int = key()
    name: str = ""
    email: str | None = None
    phone: str | None = None
    folded: str = words()
    created_at: float = moment()

    @property
    def words(self) -> str:
        return "\n".join(filter(None, (self.name, self.email, self.phone)))


class Identity(SQLModel, table=True):
    """A customer on one channel, by the channel's opaque id."""

    __table_args__ = (UniqueConstraint("channel", "external_id"),)

    id: int = key()
    customer_id: int = ref("customer.id")
    channel: str
    external_id: str
    verified: bool = Field(default=True, sa_column_kwargs={"server_default": true()})  # proved to be who they say
    folded: str = words()
    created_at: float = moment()

    @property
    def words(self) -> str:
        """What to call a customer of whom nothing else is known: it stays the same."""
        return f"Visitor {hashlib.sha256(f'{self.channel}:{self.external_id}'.encode()).hexdigest()[:4].upper()}"


class Conversation(SQLModel, table=True):
    """One thread with one customer. `state`: agent | waiting | person | resolved.

    `clock` counts up with every change a reader could see. The lease: who holds the highest `fence` may write.
    """

    __table_args__ = (
        UniqueConstraint("channel", "thread"),
        Index("conversation_due", "ready_at", "lease_until"),
        Index("conversation_queue", "state", "updated_at"),
        Index("conversation_changed", "updated_at"),
    )

    id: int = key()
    customer_id: int = ref("customer.id")
    identity_id: int = ref("identity.id")
    channel: str
    thread: str
    state: str = "agent"
    topic: str = ""
    assigned_to: int | None = ref("staff.id", nullable=True)
    last_seq: int = 0
    clock: int = 0
    changed: int = 0  # the clock when something other than a message last changed
    ready_at: float | None = moment(nullable=True)  # a response is owed from then on
    owed_since: float | None = moment(nullable=True)  # the oldest message without an answer came then
    lease_until: float = Field(default=0.0, sa_column=Column(Double, nullable=False))
    fence: int = 0
    attempts: int = 0  # claims since the last completed response
    disclosed: bool = False  # the customer has been told that an AI answers
    stopped: bool = False  # the customer wants no messages on this thread
    subject: str = words()  # of the customer's last message, as is `memo`: what the channel wants back with the answer
    memo: dict[str, Any] = json_object()
    automatic_unseen: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # sent since a person looked
    created_at: float = moment()
    updated_at: float = moment()
    last_customer_at: float | None = moment(nullable=True)
    resolved_at: float | None = moment(nullable=True)
    resolved_by: int | None = ref("staff.id", nullable=True, index=False)


class Message(SQLModel, table=True):
    """One message. `author`: customer | agent | person | system; `kind`: channels.base.Kind of what came in.

    `seq` is its place; `changed` is the conversation's clock when it was stored or last changed, which readers follow.
    `status` of an inbound one: owed | answered | escalated | person | ignored; of an outbound one: held | queued | sent
    | uncertain | failed | cancelled.
    """

    __table_args__ = (
        UniqueConstraint("conversation_id", "seq"),
        UniqueConstraint("channel", "external_id"),
        Index("message_changed", "conversation_id", "changed"),
        Index("message_known_as", "channel", "known_as"),
    )

    id: int = key()
    conversation_id: int = ref("conversation.id", index=False)
    seq: int
    changed: int
    author: str
    staff_id: int | None = ref("staff.id", nullable=True, index=False)
    name: str = ""  # the person's name, as the customer reads it
    kind: str = "message"
    channel: str
    external_id: str | None = None  # inbound: the vendor's id; outbound: our key, the same for every attempt
    text: str
    folded: str = words()
    sources: list[dict[str, str]] = Field(default_factory=empty_list, sa_column=Column(JSON, nullable=False))
    disclosure: str = ""
    attachments: list[dict[str, Any]] = Field(default_factory=empty_list, sa_column=Column(JSON, nullable=False))
    subject: str = words()
    rest: str = words()  # what was cut from the text: for staff, not for the agent
    notes: list[str] = json_list()  # sentences for staff about it
    known_as: str | None = None  # what later messages of the thread call it, where that is not its external_id
    status: str
    reason: str = ""  # why it was ignored, why it failed
    reached: str = words()  # how far one that was sent got, if the vendor says: delivered | read
    purpose: str = words()  # of a message that the vendor approved beforehand: channels.base.Offer
    decision_id: int | None = ref("decision.id", nullable=True)  # outbound: the decision it carries
    answered_by: int | None = ref("decision.id", nullable=True)  # inbound: the one decision that answers it
    created_at: float = moment()

    @property
    def words(self) -> str:
        return self.text


@event.listens_for(Customer, "before_insert")
@event.listens_for(Customer, "before_update")
@event.listens_for(Identity, "before_insert")
@event.listens_for(Identity, "before_update")
@event.listens_for(Message, "before_insert")
@event.listens_for(Message, "before_update")
def _fold(mapper: Any, connection: Any, row: Customer | Identity | Message) -> None:
    row.folded = fold(row.words)


class Decision(SQLModel, table=True):
    """One verdict, stored whole. `record` holds everything it was made from: see service/agent/__init__.py.

    `cost_usd` is in the record too; it has a column because sums over many records would have to read them all.
    """

    # What is asked of many decisions stands in an index: their records are long.
    __table_args__ = (
        Index("decision_cost", "created_at", "cost_usd"),
        Index("decision_found", "conversation_id", "verdict", "confidence"),
    )

    id: int = key()
    conversation_id: int = ref("conversation.id", index=False)
    verdict: str  # answer | clarify | escalate
    reason: str  # in words, for staff
    topic: str = ""
    confidence: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    threshold: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    record: dict[str, Any] = Field(default_factory=empty_dict, sa_column=Column(JSON, nullable=False))
    cost_usd: float | None = Field(default=None, sa_column=Column(Double, nullable=True))  # None: nothing was charged
    created_at: float = moment()


class Label(SQLModel, table=True):
    """What a member of staff thinks of a decision: right | wrong | person (it should have been a person's)."""

    __table_args__ = (UniqueConstraint("decision_id", "staff_id"),)

    id: int = key()
    decision_id: int = ref("decision.id", index=False)
    staff_id: int = ref("staff.id")
    value: str
    created_at: float = moment(index=True)  # of the value: a change of mind is a new time


class Delivery(SQLModel, table=True):
    """What is owed: ready -> sending -> sent | uncertain | failed | cancelled. Without `due_at` it is settled.

    `held`: it waits for the customer to write, because the channel takes no free text until then.
    """

    __table_args__ = (
        Index("delivery_due", "due_at", "lease_until"),
        Index("delivery_recipient", "channel", "recipient", "begun_at"),
    )

    id: int = key()
    message_id: int = Field(default=None, sa_column=Column(Id, ForeignKey("message.id"), nullable=False, unique=True))
    conversation_id: int = ref("conversation.id")
    channel: str
    author: str
    recipient: str = words()  # where it goes, as the channel counts; known once it was begun to be sent
    begun_at: float | None = moment(nullable=True)  # when it was last begun to be sent
    seq: int
    state: str = "ready"
    due_at: float | None = moment(nullable=True)
    lease_until: float = Field(default=0.0, sa_column=Column(Double, nullable=False))
    fence: int = 0
    attempts: int = 0
    repeated: bool = False  # sent once more after an unknown outcome
    external_id: str | None = Field(default=None, index=True)
    reason: str = ""
    created_at: float = moment()
    sent_at: float | None = moment(nullable=True)

    message: Message = Relationship()


class Attachment(SQLModel, table=True):
    """A file that came with a customer's message.

    With `due_at` it is still to be fetched from `url`; without it `content` is there, or `reason` says why not.
    """

    id: int = key()
    message_id: int = ref("message.id")
    name: str
    content_type: str
    size: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    url: str = words()
    due_at: float | None = moment(nullable=True, index=True)
    lease_until: float = Field(default=0.0, sa_column=Column(Double, nullable=False, server_default="0"))
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    reason: str = words()


class Quarantine(SQLModel, table=True):
    """What came in and could not be read, with the bytes as they came (or the first of them, where it was too long)."""

    __table_args__ = (UniqueConstraint("channel", "external_id"),)

    id: int = key()
    channel: str
    external_id: str
    reason: str
    sender: str = ""
    subject: str = ""
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: float = moment()
    seen_at: float | None = moment(nullable=True, index=True)
    seen_by: int | None = ref("staff.id", nullable=True, index=False)


class Escalation(SQLModel, table=True):
    """A call for a person. `priority` may come later; the oldest open one is first."""

    id: int = key()
    conversation_id: int = ref("conversation.id")
    decision_id: int | None = ref("decision.id", nullable=True)
    reason: str
    created_at: float = moment(index=True)
    taken_at: float | None = moment(nullable=True)
    taken_by: int | None = ref("staff.id", nullable=True, index=False)
    told_at: float | None = moment(nullable=True)  # staff were written to, because nobody had taken it
    closed_at: float | None = moment(nullable=True)


class Staff(SQLModel, table=True):
    """Somebody with a login. `role`: support | editor | admin."""

    id: int = key()
    name: str
    email: str = Field(unique=True)  # lower case
    role: str = "support"
    password_hash: str
    wants_email: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  # when nobody takes a call
    disabled_at: float | None = moment(nullable=True)
    created_at: float = moment()


class StaffSession(SQLModel, table=True):
    """A signed-in browser: the SHA-256 of its 256-bit token, never the token."""

    __tablename__ = "staff_session"  # type: ignore[assignment] (SQLModel types it as a function)

    token_hash: str = Field(primary_key=True)
    staff_id: int = ref("staff.id")
    csrf: str
    created_at: float = moment()
    expires_at: float = moment()


class Throttle(SQLModel, table=True):
    """Failed tries in the window that began at `since`, by an opaque key (an address, an account)."""

    key: str = Field(primary_key=True)
    count: int = 0
    since: float = moment()


class AuditEvent(SQLModel, table=True):
    """Who did what and when. Never holds a customer's words."""

    __tablename__ = "audit_event"  # type: ignore[assignment] (SQLModel types it as a function)

    id: int = key()
    at: float = moment(index=True)
    actor: str  # agent | system | operator | staff
    staff_id: int | None = ref("staff.id", nullable=True)
    action: str
    conversation_id: int | None = ref("conversation.id", nullable=True)
    article_id: int | None = ref("article.id", nullable=True)
    detail: dict[str, Any] = Field(default_factory=empty_dict, sa_column=Column(JSON, nullable=False))


class Job(SQLModel, table=True):
    """Scheduled work: one row a job, under the same kind of lease as a conversation."""

    name: str = Field(primary_key=True)
    due_at: float = moment(index=True)
    lease_until: float = Field(default=0.0, sa_column=Column(Double, nullable=False))
    fence: int = 0
    last_error: str = ""


class Presence(SQLModel, table=True):
    """A page of the editor that is open, by a number of its own. It counts until `until`, by the database's clock."""

    page: str = Field(primary_key=True)
    article_id: int = ref("article.id")
    staff_id: int = ref("staff.id")
    since: float = moment()
    until: float = moment()


class ChannelMemory(SQLModel, table=True):
    """What a channel must remember (a mailbox's watermark): the service keeps it and hands it back."""

    __tablename__ = "channel_memory"  # type: ignore[assignment] (SQLModel types it as a function)

    channel: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: dict[str, Any] = Field(default_factory=empty_dict, sa_column=Column(JSON, nullable=False))
