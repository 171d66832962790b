"""The Chroma index: as exact as a scan, its own directory, and one step for those who search meanwhile."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from knowledge.corpus import Corpus, Entry, Piece
from knowledge.embedder import Embedder
from knowledge.folder import read_folder
from knowledge.index import Index, sweep
from tests import ROOT

RANDOM = np.random.default_rng(7)


def entry(number: int, vectors: np.ndarray, revision: int = 1) -> Entry:
    """An article with a passage for each vector, each passage one sentence."""
    pieces = tuple(
        Piece(f"{number}.{place}-{revision}", number, "", "text", ("text",), vector, vector[None], ("text",))
        for place, vector in enumerate(vectors)
    )
    return Entry(number, f"a{number}", f"A{number}", "", revision, pieces, ("text",), vectors[:1], ("text",))


def directions(count: int) -> np.ndarray:
    made = RANDOM.normal(size=(count, 384)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def corpus(articles: int, passages: int = 3, revision: int = 1) -> Corpus:
    return Corpus([entry(number, directions(passages), revision) for number in range(1, articles + 1)], revision)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    yield made
    made.close()


def recall(index: Index, queries: np.ndarray, count: int = 10) -> float:
    """The share of the exactly nearest passages that the index finds."""
    hits = []
    for query in queries:
        within, places, cosines = index.nearest(query, count)
        exact = within.piece_embeddings @ query
        assert np.allclose(cosines, exact[places], atol=1e-4)
        hits.append(len(set(places.tolist()) & set(np.argsort(-exact)[:count].tolist())) / count)
    return float(np.mean(hits))


def test_it_finds_what_an_exact_scan_finds_even_among_random_vectors(index: Index) -> None:
    index.follow(corpus(1_000))
    assert recall(index, directions(50)) >= 0.98, "random vectors are the hardest there are"


def test_it_finds_what_an_exact_scan_finds_among_real_sentences(index: Index, embedder: Embedder) -> None:
    records = read_folder(ROOT / "knowledge" / "samples" / "articles").records
    phrases = [phrase for record in records for phrase in record.phrases]
    vectors = embedder.embed_documents([record.body for record in records[:40]] + phrases[:200])
    index.follow(Corpus([entry(number, vector[None]) for number, vector in enumerate(vectors[:-40], start=1)], 1))
    assert recall(index, vectors[-40:]) == 1.0


def test_an_empty_knowledge_base_finds_nothing(index: Index) -> None:
    assert [len(each) for each in index.nearest(directions(1)[0], 5)[1:]] == [0, 0]
    index.follow(Corpus())
    assert len(index.nearest(directions(1)[0], 5)[1]) == 0


def test_it_follows_changes_without_building_anew(index: Index) -> None:
    first = corpus(20)
    index.follow(first)
    directory = index._store._path
    changed = entry(3, directions(2), revision=2)
    others = [each for each in first.entries if each.id not in (3, 4)]
    index.follow(Corpus([*others, changed], 2))
    assert index._store._path == directory
    within, places, cosines = index.nearest(changed.pieces[0].embedding, 100)
    assert within.revision == 2
    assert (within.pieces[places[0]].key, round(float(cosines[0]), 4)) == ("3.0-2", 1.0)
    assert sorted(within.pieces[place].key for place in places) == sorted(piece.key for piece in within.pieces)
    assert len(places) == 18 * 3 + 2


def test_many_deletions_make_a_fresh_index_and_leave_nothing_of_the_old_one(index: Index, tmp_path: Path) -> None:
    first = corpus(10)
    index.follow(first)
    old = index._store._path
    index.follow(Corpus(first.entries[:2], 2))
    assert index._store._path != old
    assert not old.exists()
    assert len(index.nearest(directions(1)[0], 100)[1]) == 6


def test_no_text_is_written_to_the_disk(index: Index, tmp_path: Path) -> None:
    secret = "thewordsofanarticle"
    vector = directions(1)
    piece = Piece("1.0-1", 1, secret, secret, (secret,), vector[0], vector, (secret,))
    index.follow(Corpus([Entry(1, secret, secret, "", 1, (piece,), (secret,), vector, (secret,))], 1))
    files = [path for path in (tmp_path / "index").rglob("*") if path.is_file()]
    assert any(path.name == "chroma.sqlite3" for path in files), "there must be an index to look into"
    assert not any(secret.encode() in path.read_bytes() for path in files)


def test_a_search_sees_one_revision_or_the_next_and_never_half_of_it(index: Index) -> None:
    vectors = directions(2)
    others = corpus(10).entries[2:]
    count = 2 * len(vectors) + 3 * len(others)

    def at(revision: int) -> Corpus:
        """Two articles are published together, again and again; the others stay."""
        return Corpus([entry(1, vectors, revision), entry(2, vectors, revision), *others], revision)

    index.follow(at(1))
    directory = index._store._path
    wrong: list[str] = []
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            within, places, _ = index.nearest(vectors[0], count)
            seen.add(within.revision)
            pieces = [within.pieces[place] for place in places]
            published = {piece.key.rpartition("-")[2] for piece in pieces if piece.id in (1, 2)}
            if len(pieces) != count or published != {str(within.revision)}:
                wrong.append(f"{within.revision}: {len(pieces)} passages of revisions {published}")

    thread = threading.Thread(target=look)
    thread.start()
    for revision in range(2, 20):
        index.follow(at(revision))
    done.set()
    thread.join()
    assert not wrong
    assert len(seen) > 2, "it must have looked while things changed"
    assert index._store._path != directory, "and lived through a rebuild"


def test_each_index_has_its_own_directory_and_removes_it(tmp_path: Path) -> None:
    home = tmp_path / "index"
    one, two = Index(home), Index(home)
    one.follow(corpus(2))
    two.follow(corpus(3))
    assert len([path for path in home.iterdir() if path.is_dir()]) == 2
    assert len(one.nearest(directions(1)[0], 50)[1]) == 6
    one.close()
    assert len(two.nearest(directions(1)[0], 50)[1]) == 9, "closing one leaves the other"
    two.close()
    assert list(home.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from knowledge.index import _Claim;"
        "claim = _Claim(Path(sys.argv[1])); (claim.path / 'data').write_text('x'); print(claim.path, flush=True);"
        "sys.stdin.readline(); os._exit(9)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdin
    assert child.stdout
    left = Path(child.stdout.readline().strip())
    sweep(tmp_path)
    assert (left / "data").exists(), "its process lives"
    child.communicate("die\n")
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
