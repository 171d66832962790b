"""subjects, threads by reference, what was cut, files, quarantine, and how many replies no person wrote."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def words(name: str) -> sa.Column:
    return sa.Column(name, sa.String(), nullable=False, server_default="")


def upgrade() -> None:
    op.add_column("identity", sa.Column("verified", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("conversation", words("subject"))
    op.add_column("conversation", sa.Column("memo", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("conversation", sa.Column("automatic_unseen", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("message", words("subject"))
    op.add_column("message", words("rest"))
    op.add_column("message", sa.Column("notes", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
    op.add_column("message", sa.Column("known_as", sa.String(), nullable=True))
    op.create_index("message_known_as", "message", ["channel", "known_as"], unique=False)
    op.add_column("delivery", words("recipient"))
    op.add_column("delivery", sa.Column("begun_at", sa.Double(), nullable=True))
    op.create_index("delivery_recipient", "delivery", ["channel", "recipient", "begun_at"], unique=False)
    op.create_table(
        "attachment",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attachment_message_id", "attachment", ["message_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=True),
        sa.Column("seen_by", ID, nullable=True),
        sa.ForeignKeyConstraint(["seen_by"], ["staff.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "external_id"),
    )
    op.create_index("ix_quarantine_seen_at", "quarantine", ["seen_at"], unique=False)


def downgrade() -> None:
    op.drop_table("quarantine")
    op.drop_table("attachment")
    with op.batch_alter_table("delivery") as batch_op:
        batch_op.drop_index("delivery_recipient")
        batch_op.drop_column("begun_at")
        batch_op.drop_column("recipient")
    with op.batch_alter_table("message") as batch_op:
        batch_op.drop_index("message_known_as")
        for name in ("known_as", "notes", "rest", "subject"):
            batch_op.drop_column(name)
    with op.batch_alter_table("conversation") as batch_op:
        for name in ("automatic_unseen", "memo", "subject"):
            batch_op.drop_column(name)
    with op.batch_alter_table("identity") as batch_op:
        batch_op.drop_column("verified")
