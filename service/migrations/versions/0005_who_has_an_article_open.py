"""who has an article open in the editor."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "presence",
        sa.Column("page", sa.String(), nullable=False),
        sa.Column("article_id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"]),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"]),
        sa.PrimaryKeyConstraint("page"),
    )
    with op.batch_alter_table("presence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_presence_article_id"), ["article_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_presence_staff_id"), ["staff_id"], unique=False)


def downgrade() -> None:
    op.drop_table("presence")
