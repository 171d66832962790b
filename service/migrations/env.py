"""Alembic's entry point: runs the migrations on the connection that service/migrations/__init__.py hands over."""

from alembic import context
from sqlmodel import SQLModel

import knowledge.articles
import service.models  # noqa: F401 (both register their tables)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
