"""Alembic's entry point: runs the migrations on the connection that service/migrations/__init__.py hands over."""

from typing import Any, Literal

from alembic import context
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import knowledge.articles  # noqa: F401 (registers its tables)
import service.models  # noqa: F401 (registers its tables)


def plain(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """A migration that is generated names plain SQLAlchemy types only."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=plain,
)
with context.begin_transaction():
    context.run_migrations()
