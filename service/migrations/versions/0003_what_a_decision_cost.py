"""what a decision cost has a column, so that sums need not read the records."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision", sa.Column("cost_usd", sa.Double(), nullable=True))
    decision = sa.table("decision", sa.column("record", sa.JSON()), sa.column("cost_usd", sa.Double()))
    op.execute(decision.update().values(cost_usd=decision.c.record["usage"]["cost_usd"].as_float()))
    op.create_index("decision_cost", "decision", ["created_at", "cost_usd"], unique=False)
    op.drop_index("ix_decision_created_at", table_name="decision")


def downgrade() -> None:
    op.create_index("ix_decision_created_at", "decision", ["created_at"], unique=False)
    op.drop_index("decision_cost", table_name="decision")
    op.drop_column("decision", "cost_usd")
