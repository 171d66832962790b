"""A backup's file: a zip of one JSON-lines member a table, with a manifest that has the sum of each."""

import base64
import contextlib
import hashlib
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import JSON as Json
from sqlalchemy import Boolean, Float, Integer, LargeBinary, MetaData, String
from sqlalchemy.types import TypeDecorator, TypeEngine

from service.settings import owner_only

#: Counts up when an older Firstline could no longer read what is written.
FORMAT = 1
MANIFEST, KEY = "manifest.json", "secret.key"
PIECE = 1 << 20  # bytes read at a time

#: What a column holds, whichever database it is in. Boolean before Integer and JSON before String: first match counts.
KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Boolean, "bool"),
    (Json, "json"),
    (LargeBinary, "bytes"),
    (Integer, "int"),
    (Float, "float"),
    (String, "text"),
)

#: What reading a file raises that is no zip, or a damaged one: a wrong bit may make it look encrypted.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, RuntimeError)

Shown = Callable[[int, int, str], None]  # progress(done, total, what is being done)


class BackupError(Exception):
    """Why no backup was made or restored, and what to do: a sentence for the operator."""


def kinds(tables: MetaData) -> dict[str, dict[str, str]]:
    """Table -> column -> what it holds, the same for both databases."""
    return {
        table.name: {column.name: _kind(table.name, column.name, column.type) for column in table.columns}
        for table in tables.sorted_tables
    }


def _kind(table: str, column: str, type_: TypeEngine[Any]) -> str:
    plain = type_.impl_instance if isinstance(type_, TypeDecorator) else type_
    for each, kind in KINDS:
        if isinstance(plain, each):
            return kind
    raise BackupError(
        f"{table}.{column} holds {type_}, which is none of Firstline's types: give Firstline a database of its own."
    )


def encode(kind: str, value: Any) -> Any:
    """A value as JSON holds it without losing a bit. JSON columns come and go as their own text."""
    return base64.b64encode(value).decode() if kind == "bytes" and value is not None else value


def decode(kind: str, value: Any) -> Any:
    """The inverse of `encode`."""
    return base64.b64decode(value) if kind == "bytes" and value is not None else value


class Writer:
    """A backup being written, under another name until `finish`. Readable by its owner alone: it holds everything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._file = open(self._part, "xb", opener=owner_only)  # noqa: SIM115 (it stays open until `finish` or `close`)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        self.sums: dict[str, str] = {}

    @contextlib.contextmanager
    def member(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """Write one member, piece by piece."""
        digest = hashlib.sha256()
        with self._zip.open(name, "w", force_zip64=True) as member:

            def write(piece: bytes) -> None:
                digest.update(piece)
                member.write(piece)

            yield write
        self.sums[name] = digest.hexdigest()

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, see all of it to the disk, and only then give it its name."""
        content = {"format": FORMAT, **manifest, "sha256": self.sums}
        self._zip.writestr(MANIFEST, json.dumps(content, indent=1))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)
        sync(self.path.parent)

    def close(self) -> None:
        """Leave nothing behind of a backup that was not finished."""
        with contextlib.suppress(ValueError, OSError):  # it is thrown away, whatever state it is in
            self._zip.close()
        self._file.close()
        self._part.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """See to the disk that a file of this folder has its new name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Reader:
    """A backup's file. `verify` before anything is done with what it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest: dict[str, Any] = json.loads(self._zip.read(MANIFEST))
            form = self.manifest["format"]
        except FileNotFoundError:
            raise BackupError(f"There is no file {path}. Name the backup to restore.") from None
        except UNREADABLE:
            raise BackupError(f"{path} is no backup of Firstline's, or only a part of one. Take another.") from None
        if form != FORMAT:
            raise BackupError(f"{path} was made by a newer Firstline ({self.version}). Install that one and try again.")

    @property
    def version(self) -> str:
        return str(self.manifest.get("firstline", "unknown"))

    @property
    def rows(self) -> int:
        return sum(table["rows"] for table in self.manifest["tables"].values())

    def verify(self, progress: Shown) -> None:
        """Read every byte and compare it with what was written. Raises BackupError."""
        wanted = {table_member(name) for name in self.manifest["tables"]} | {KEY}
        sums: dict[str, str] = self.manifest["sha256"]
        total = sum(each.file_size for each in self._zip.infolist()) or 1
        done = 0
        if wanted != set(sums) or wanted | {MANIFEST} != set(self._zip.namelist()):
            raise BackupError(f"{self.path} is not whole: tables are missing or too many. Take another backup.")
        for name, expected in sums.items():
            digest = hashlib.sha256()
            try:
                with self._zip.open(name) as member:
                    while piece := member.read(PIECE):
                        digest.update(piece)
                        done += len(piece)
                        progress(done, total, "Checking the backup")
            except UNREADABLE:
                raise BackupError(f"{self.path} is damaged ({name}). Take another backup.") from None
            if digest.hexdigest() != expected:
                raise BackupError(f"{self.path} is damaged ({name}). Take another backup.")

    def lines(self, table: str) -> Iterator[list[Any]]:
        """A table's rows, one after the other."""
        with self._zip.open(table_member(table)) as member:
            for line in member:
                yield json.loads(line)

    def key(self) -> str:
        """The key that signs visitors' tokens, in hexadecimal."""
        return self._zip.read(KEY).decode()

    def close(self) -> None:
        self._zip.close()


def table_member(name: str) -> str:
    return f"tables/{name}.jsonl"
