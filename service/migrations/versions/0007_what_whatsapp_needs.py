"""how far a message got, messages approved beforehand, and files that are still to be fetched."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def words(name: str) -> sa.Column:
    return sa.Column(name, sa.String(), nullable=False, server_default="")


def upgrade() -> None:
    op.add_column("message", words("reached"))
    op.add_column("message", words("purpose"))
    op.add_column("attachment", words("url"))
    op.add_column("attachment", words("reason"))
    op.add_column("attachment", sa.Column("due_at", sa.Double(), nullable=True))
    op.add_column("attachment", sa.Column("lease_until", sa.Double(), nullable=False, server_default="0"))
    op.add_column("attachment", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_attachment_due_at", "attachment", ["due_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("attachment") as batch_op:
        batch_op.drop_index("ix_attachment_due_at")
        for name in ("attempts", "lease_until", "due_at", "reason", "url"):
            batch_op.drop_column(name)
    with op.batch_alter_table("message") as batch_op:
        batch_op.drop_column("purpose")
        batch_op.drop_column("reached")
