"""The embedder: the right model, usable from several threads, unmoved by odd text."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from knowledge.embedder import CACHED_QUERIES, Embedder, WrongModel


def test_what_means_the_same_is_nearer_than_what_does_not(embedder: Embedder) -> None:
    parcel, late, coffee = embedder.embed_documents(
        ["Where is my parcel?", "My delivery has not arrived yet", "Grind the beans finer"]
    )
    assert parcel @ late > parcel @ coffee + 0.2


def test_vectors_have_the_promised_form(embedder: Embedder) -> None:
    query = embedder.embed_query("hello")
    documents = embedder.embed_documents(["hello", "a longer text " * 30, "hello"])
    assert (query.shape, query.dtype) == ((384,), np.float32)
    assert (documents.shape, documents.dtype) == ((3, 384), np.float32)
    assert np.allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-5)
    assert np.allclose(documents[0], query, atol=1e-5), "the order given is kept"
    assert (documents[0] == documents[2]).all()
    assert embedder.embed_documents([]).shape == (0, 384)


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\ud800 lone", "🙂" * 5_000, "word " * 100_000, "a" * 100_000, "\u202e"]
)
def test_odd_text_gets_a_finite_vector(embedder: Embedder, text: str) -> None:
    assert np.isfinite(embedder.embed_query(text)).all()
    assert np.isfinite(embedder.embed_documents([text, "beside it"])).all()


def test_a_text_does_not_depend_on_what_is_embedded_beside_it(embedder: Embedder) -> None:
    texts = [f"question number {number} about delivery" for number in range(40)]
    together = embedder.embed_documents(texts)
    assert np.allclose(together[7], embedder.embed_documents([texts[7]])[0], atol=1e-5)


def test_many_threads_get_what_one_would_get(embedder: Embedder) -> None:
    texts = [f"thread {number} asks for item {number * 7}" for number in range(24)]
    wanted = embedder.embed_documents(texts)
    with ThreadPoolExecutor(6) as pool:
        documents = pool.submit(embedder.embed_documents, texts)
        queries = list(pool.map(embedder.embed_query, texts))
    assert np.allclose(np.stack(queries), wanted, atol=1e-5)
    assert np.allclose(documents.result(), wanted, atol=1e-6)


def test_a_recent_question_is_remembered_and_cannot_be_spoilt(embedder: Embedder) -> None:
    first = embedder.embed_query("remember me")
    assert embedder.embed_query("remember me") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0
    assert len(embedder._queries) <= CACHED_QUERIES


def test_progress_counts_every_text_once(embedder: Embedder) -> None:
    seen: list[tuple[int, int]] = []
    embedder.embed_documents(["same"] * 5 + [f"text {number}" for number in range(40)], lambda *at: seen.append(at))
    assert len(seen) > 1
    assert seen[-1] == (45, 45)
    assert seen == sorted(seen)


def test_another_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WrongModel, match=r"missing.*pip install"):
        Embedder(tmp_path).load()
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(WrongModel, match=r"not the one.*constraints\.txt"):
        Embedder(tmp_path).load()


def test_one_load_serves_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    both = threading.Barrier(2)

    class Model:
        def preprocess(self, texts: list[str]) -> list[str]:
            return texts

        def forward(self, texts: list[str]) -> dict[str, object]:
            import torch

            return {"sentence_embedding": torch.zeros(len(texts), 384)}

    def load(*args: object) -> Model:
        loads.append(1)
        return Model()

    monkeypatch.setattr("knowledge.embedder._load", load)
    made = Embedder()

    def ask() -> None:
        both.wait()
        made.load()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.loaded
    assert len(loads) == 1


def test_importing_it_loads_no_model_and_leaves_torch_one_thread() -> None:
    code = (
        "import sys, os, knowledge.embedder;"
        "assert 'torch' not in sys.modules and 'sentence_transformers' not in sys.modules;"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['HF_HUB_OFFLINE'])"
    )
    environ = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)
    assert done.stdout.split() == ["1", "1"], done.stderr
