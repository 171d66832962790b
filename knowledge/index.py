"""The Chroma index: a disposable projection of the published passages, in a directory of this process alone."""

import contextlib
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.corpus import Corpus

# Chroma's own default misses neighbours; with these the recall against an exact scan is 1 up to 10,000 passages.
EF_SEARCH = 400
EF_CONSTRUCTION = 200
MAX_NEIGHBORS = 32
# Past this share of deleted passages a fresh index is smaller and faster than one with holes.
MOST_DELETED = 0.5

COLLECTION = "passages"


class Index:
    """Nearest passages of a corpus. `follow` changes index and corpus together, as one step for those who search.

    Only ids and vectors are kept in it, no text. Two processes on one Chroma directory corrupt it, so each makes its
    own under `directory`, holds a lock on it for as long as it lives, and removes those that nobody holds any more.
    """

    def __init__(self, directory: Path) -> None:
        self._home = directory
        self._lock = threading.RLock()
        self._corpus = Corpus()
        self._claim: _Claim | None = None
        self._store: _Store | None = None
        self._deleted = 0

    @property
    def corpus(self) -> Corpus:
        return self._corpus

    def nearest(self, vector: np.ndarray, count: int) -> tuple[Corpus, np.ndarray, np.ndarray]:
        """The corpus in force, and the places in its `pieces` of those nearest to a vector with their cosines."""
        with self._lock:
            corpus, store = self._corpus, self._store
            if store is None or not corpus.pieces:
                return corpus, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
            keys, cosines = store.nearest(vector, min(count, len(corpus.pieces)))
        return corpus, np.array([corpus.places[key] for key in keys], dtype=np.int64), cosines

    def follow(self, corpus: Corpus) -> None:
        """Search this corpus from now on: only what differs is added and deleted, unless that is most of it."""
        before = self._corpus.places.keys()
        new = [piece for piece in corpus.pieces if piece.key not in before]
        old = [key for key in before if key not in corpus.places]
        total = len(before) + len(new)
        if self._store is None or self._deleted + len(old) > MOST_DELETED * total or len(new) > MOST_DELETED * total:
            self.rebuild(corpus)
            return
        with self._lock:
            self._store.add([piece.key for piece in new], [piece.embedding for piece in new])
            self._corpus = corpus
            self._store.delete(old)
            self._deleted += len(old)

    def rebuild(self, corpus: Corpus | None = None) -> None:
        """Build in a fresh directory beside the one in use, swap, and remove the old one from the disk."""
        corpus = corpus or self._corpus
        if self._claim is None:
            sweep(self._home)
            self._claim = _Claim(self._home)
        fresh = _Store(self._claim.path / secrets.token_hex(4))
        fresh.add([piece.key for piece in corpus.pieces], [piece.embedding for piece in corpus.pieces])
        with self._lock:
            stale, self._store = self._store, fresh
            self._corpus = corpus
            self._deleted = 0
            if stale:
                stale.remove()

    def close(self) -> None:
        """Remove this process's directory."""
        with self._lock:
            if self._store:
                self._store.remove()
                self._store = None
            self._corpus = Corpus()
            if self._claim:
                self._claim.release()
                self._claim = None


class _Store:
    """One Chroma directory with one collection."""

    def __init__(self, path: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self._path = path
        # Its own server is never started and it never makes embeddings: it gets ids and vectors.
        self._client: Any = chromadb.PersistentClient(path=path, settings=Settings(anonymized_telemetry=False))
        hnsw: Any = {
            "space": "cosine",
            "ef_search": EF_SEARCH,
            "ef_construction": EF_CONSTRUCTION,
            "max_neighbors": MAX_NEIGHBORS,
            "num_threads": 1,
        }
        self._collection = self._client.create_collection(
            COLLECTION, configuration={"hnsw": hnsw}, embedding_function=None
        )

    def add(self, keys: Sequence[str], vectors: Sequence[np.ndarray]) -> None:
        size = self._client.get_max_batch_size()
        for start in range(0, len(keys), size):
            end = start + size
            self._collection.add(ids=list(keys[start:end]), embeddings=list(vectors[start:end]))

    def delete(self, keys: Sequence[str]) -> None:
        if keys:
            self._collection.delete(ids=list(keys))

    def nearest(self, vector: np.ndarray, count: int) -> tuple[list[str], np.ndarray]:
        found = self._collection.query(query_embeddings=[vector], n_results=count, include=["distances"])
        distances = found["distances"] or [[]]
        return found["ids"][0], 1.0 - np.array(distances[0], dtype=np.float32)

    def remove(self) -> None:
        self._client.close()
        shutil.rmtree(self._path, ignore_errors=True)


class _Claim:
    """A directory that belongs to this process for as long as it holds the lock of the file beside it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        while True:
            self.path = home / f"{os.getpid()}-{secrets.token_hex(4)}"
            self._file = _locked(_lock_file(self.path))
            if self._file is not None:
                break
        self.path.mkdir()

    def release(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        _lock_file(self.path).unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None


def sweep(home: Path) -> None:
    """Remove the directories of processes that are gone: those whose lock nobody holds."""
    for lock in _locks(home):
        file = _locked(lock)
        if file is None:
            continue
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(file)


def in_use(home: Path) -> bool:
    """Whether a process that lives has its directory here."""
    for lock in _locks(home):
        file = _locked(lock)
        if file is None:
            return True
        os.close(file)
    return False


def _locks(home: Path) -> Iterable[Path]:
    return sorted(home.glob("*.lock")) if home.is_dir() else []


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _locked(path: Path) -> int | None:
    """The lock file's descriptor, or nothing if somebody else has the lock or has just removed the file."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:
            return file
    os.close(file)
    return None
