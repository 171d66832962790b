"""messages and customers are found by their words, decisions without their records."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from service.folding import fold
from service.models import Identity

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Rows folded in one statement: a long history is not held in memory.
BATCH = 1_000
#: table -> its columns that are searched, and the words they make.
SEARCHED: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "message": (("text",), lambda text: text),
    "customer": (("name", "email", "phone"), lambda *columns: "\n".join(filter(None, columns))),
    "identity": (("channel", "external_id"), lambda channel, id: Identity(channel=channel, external_id=id).words),
}


def upgrade() -> None:
    for name, (columns, words_of) in SEARCHED.items():
        op.add_column(name, sa.Column("folded", sa.String(), nullable=False, server_default=""))
        table = sa.table(name, sa.column("id"), sa.column("folded"), *(sa.column(column) for column in columns))
        change = table.update().where(table.c.id == sa.bindparam("row")).values(folded=sa.bindparam("words"))
        rows = sa.select(table.c.id, *(table.c[column] for column in columns)).order_by(table.c.id).limit(BATCH)
        last = 0
        while found := op.get_bind().execute(rows.where(table.c.id > last)).all():
            words = [{"row": row[0], "words": fold(words_of(*row[1:]))} for row in found]
            op.get_bind().execute(change, words)
            last = found[-1][0]
    op.create_index("decision_found", "decision", ["conversation_id", "verdict", "confidence"], unique=False)
    op.drop_index("ix_decision_conversation_id", table_name="decision")


def downgrade() -> None:
    op.create_index("ix_decision_conversation_id", "decision", ["conversation_id"], unique=False)
    op.drop_index("decision_found", table_name="decision")
    for name in SEARCHED:
        op.drop_column(name, "folded")
