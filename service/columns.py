"""The kinds of columns that the service's tables are made of."""

import time
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Double, ForeignKey, Integer, text
from sqlmodel import Field

# SQLite only counts up a primary key whose type is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


def key() -> Any:
    """A numeric primary key."""
    return Field(default=None, primary_key=True, sa_type=Id)


def ref(target: str, *, nullable: bool = False, index: bool = True) -> Any:
    """A foreign key to `table.column`."""
    return Field(default=None, sa_column=Column(Id, ForeignKey(target), nullable=nullable, index=index))


def moment(*, nullable: bool = False, index: bool = False) -> Any:
    """Seconds since 1970; now, unless it may be missing."""
    column = Column(Double, nullable=nullable, index=index)
    return Field(default=None, sa_column=column) if nullable else Field(default_factory=seconds, sa_column=column)


def seconds() -> float:
    """Now. In Python, like the two below: of a built-in, pydantic reads the signature at every row, as text."""
    return time.time()


def empty_list() -> list[Any]:
    return []


def empty_dict() -> dict[str, Any]:
    return {}


def words() -> Any:
    """A text that rows from before it was there have not."""
    return Field(default="", sa_column_kwargs={"server_default": ""})


def json_object() -> Any:
    column = Column(JSON, nullable=False, server_default=text("'{}'"))
    return Field(default_factory=empty_dict, sa_column=column)


def json_list() -> Any:
    column = Column(JSON, nullable=False, server_default=text("'[]'"))
    return Field(default_factory=empty_list, sa_column=column)
