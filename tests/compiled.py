"""Statements that are compiled once for all the databases of a process.

SQLAlchemy keeps what it compiled with each engine, and every test has an engine of its own: a third of the tests' time
would go into compiling the same statements again. Their engines differ in nothing that a compiled statement knows of.
"""

from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import dialect as PostgreSQL
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as SQLite

from service.db import Database

# What was compiled is found by its statement and its dialect, of which each engine makes one: here they are all equal.
for dialect in (PostgreSQL, SQLite):
    dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]  # one cache key for all
    dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]  # equal ones hash alike

_compiled: dict[Any, Any] = {}


def share(db: Database) -> Database:
    """The same database, which compiles nothing that another one has compiled."""
    for engine in (db.engine, db._writer, db._looker):
        engine.sync_engine.update_execution_options(compiled_cache=_compiled)
    return db
