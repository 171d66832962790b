"""staff are told by email; staff label decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("id", ID, nullable=False),
        sa.Column("decision_id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"]),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("decision_id", "staff_id"),
    )
    with op.batch_alter_table("label", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_label_staff_id"), ["staff_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_label_created_at"), ["created_at"], unique=False)
    # Added in place: a batch would copy the tables, which SQLite refuses while others refer to them.
    op.add_column("staff", sa.Column("wants_email", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("escalation", sa.Column("told_at", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("escalation", "told_at")
    op.drop_column("staff", "wants_email")
    op.drop_table("label")
