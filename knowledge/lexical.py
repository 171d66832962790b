"""Words to BM25 scores, the same in every process and on every database."""

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

# It asks to be heard from DEBUG upwards, whatever the operator wants to hear.
logging.getLogger("bm25s").setLevel(logging.WARNING)

K1 = 1.5
B = 0.75

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Words of asking and of politeness: nearly every question has them, and articles answer without them.
_PLAIN = re.compile(
    "i|me|my|we|our|us|you|your|he|she|its|am|do|does|did|have|has|had|been|i'm|i've|i'd|i'll|how|what|when|where|why|who|"
    "which|can|could|would|should|will|may|please|hi|hello|hey|dear|thanks|thank|there|just|so|about|any|some|from"
)


def terms(text: str) -> list[str]:
    """The stems of a text's words, without the words that every text has."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = (word.replace("’", "'").removesuffix("'s") for word in _WORD.findall(plain))
    kept = [word for word in words if word not in STOPWORDS_EN and not _PLAIN.fullmatch(word)]
    return Stemmer.Stemmer("english", 0).stemWords(kept)  # a stemmer of its own: they are not for several threads


class Lexical:
    """BM25 over texts given as their terms."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self.size = len(texts)
        self._ids: dict[str, int] = {}
        ids = [[self._ids.setdefault(term, len(self._ids)) for term in text] for text in texts]
        self._average = sum(map(len, ids)) / max(1, len(ids))
        counts = np.zeros(len(self._ids), dtype=np.int64)
        for text in ids:
            counts[list(set(text))] += 1
        self._counts = counts
        self._bm25: bm25s.BM25 | None = None
        if self._ids:
            self._bm25 = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._bm25.index((ids, dict(self._ids)), show_progress=False)  # it adds a word of its own

    def scores(self, weights: Mapping[str, float]) -> np.ndarray:
        """The score of every text, float32 (size,). `weights`: how much each term of the question counts."""
        total = np.zeros(self.size, dtype=np.float32)
        if self._bm25 is None:
            return total
        by_weight: dict[float, list[int]] = {}
        for term, weight in weights.items():
            if (number := self._ids.get(term)) is not None:
                by_weight.setdefault(weight, []).append(number)
        for weight, numbers in by_weight.items():
            total += weight * self._bm25.get_scores_from_ids(numbers)
        return total

    def rarity(self, term: str) -> float:
        """The term's inverse document frequency, as BM25 counts it; largest for one that is nowhere."""
        count = self._counts[self._ids[term]] if term in self._ids else 0
        return float(np.log(1 + (self.size - count + 0.5) / (count + 0.5)))

    def knows(self, term: str) -> bool:
        return term in self._ids

    def best_possible(self, asked: Iterable[str]) -> float:
        """The score of a text that is the question itself."""
        distinct = set(asked)
        if not distinct or not self._average:
            return 0.0
        length = K1 * (1 - B + B * len(distinct) / self._average)
        return sum(self.rarity(term) for term in distinct) / (1 + length)
