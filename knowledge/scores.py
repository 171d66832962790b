"""What a question scores against everything published: vectors and words, for passages and for articles."""

from dataclasses import dataclass

import numpy as np

from knowledge.context import Asked
from knowledge.corpus import Corpus

# Passages whose sentences are compared one by one: the nearest, and those whose words match best.
READ_NEAREST = 60
READ_MATCHING = 20
# Phrases of an article whose mean counts: one alone may be near by chance.
PHRASES = 3
# The blend of min-max scores over articles, measured over several knowledge bases.
DENSE, LEXICAL = 0.7, 0.3
# A passage's score is so much its article's, and for the rest its own among the passages.
OF_ARTICLE = 0.5


@dataclass(frozen=True)
class Scores:
    """Arrays by place in the corpus. Cosines are -1..1, blends 0..1."""

    passages: np.ndarray  # cosine of each passage
    passage_words: np.ndarray  # BM25 of each passage
    passage_blend: np.ndarray  # what passages are ordered by
    sentences: dict[int, np.ndarray]  # by the place of its passage: cosines of its sentences
    phrases: np.ndarray  # cosine of each phrase
    phrase_best: np.ndarray  # of each article: its nearest phrase
    passage_best: np.ndarray  # of each article: its nearest passage
    sentence_best: np.ndarray  # of each article: its nearest sentence among the passages read
    centroids: np.ndarray  # of each article
    closeness: np.ndarray  # of each article: mean of its nearest part and of its centroid
    words: np.ndarray  # BM25 of each article
    blend: np.ndarray  # what articles are ordered by


def score(corpus: Corpus, vector: np.ndarray, nearest: np.ndarray, cosines: np.ndarray, asked: Asked) -> Scores:
    """`nearest` and `cosines`: the index's passages. Those it did not return are taken to be as far as the last."""
    articles = len(corpus.entries)
    passages = np.full(len(corpus.pieces), cosines.min(initial=1.0) if len(cosines) else 0.0, dtype=np.float32)
    passages[nearest] = cosines
    passage_words = corpus.lexical.scores(asked.weights)
    sentences = sentence_cosines(corpus, vector, _to_read(passages, passage_words))
    peaks = np.array([float(sentences[place].max()) for place in sentences if len(sentences[place])], dtype=np.float32)
    read = np.array([place for place in sentences if len(sentences[place])], dtype=np.int64)

    phrases = corpus.phrase_embeddings @ vector
    phrase_best, phrase_mean = _phrase_scores(phrases, corpus.phrase_owners, articles)
    passage_best = _highest(passages, corpus.owners, articles)
    sentence_best = _highest(peaks, corpus.owners[read], articles)
    centroids = corpus.centroids @ vector
    closest = np.maximum(np.maximum(phrase_mean, passage_best), sentence_best)
    closeness = (closest + centroids) / 2
    words = corpus.article_lexical.scores(asked.weights)
    blend = DENSE * spread(closeness) + LEXICAL * spread(words)

    near = passages.copy()
    near[read] = (near[read] + peaks) / 2
    own = DENSE * spread(near) + LEXICAL * spread(passage_words)
    return Scores(
        passages=passages,
        passage_words=passage_words,
        passage_blend=OF_ARTICLE * blend[corpus.owners] + (1 - OF_ARTICLE) * own,
        sentences=sentences,
        phrases=phrases,
        phrase_best=phrase_best,
        passage_best=np.where(passage_best > -1, passage_best, 0.0),
        sentence_best=np.where(sentence_best > -1, sentence_best, 0.0),
        centroids=centroids,
        closeness=closeness,
        words=words,
        blend=blend,
    )


def sentence_cosines(corpus: Corpus, vector: np.ndarray, places: np.ndarray) -> dict[int, np.ndarray]:
    """The cosines of the sentences of these passages, from what was stored: nothing is embedded."""
    return {int(place): corpus.pieces[place].sentence_embeddings.astype(np.float32) @ vector for place in places}


def spread(values: np.ndarray) -> np.ndarray:
    """Scores stretched so that the lowest is 0 and the highest 1; all 0 if they are the same."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _to_read(passages: np.ndarray, words: np.ndarray) -> np.ndarray:
    near = np.argsort(-passages, kind="stable")[:READ_NEAREST]
    matching = np.argsort(-words, kind="stable")[:READ_MATCHING]
    return np.union1d(near, matching)


def _highest(values: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """The highest value of each owner; -1, the lowest cosine, for one without."""
    highest = np.full(count, -1.0, dtype=np.float32)
    np.maximum.at(highest, owners, values)
    return highest


def _phrase_scores(cosines: np.ndarray, owners: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each article its nearest phrase, and the mean of its nearest few."""
    order = np.lexsort((-cosines, owners))
    sizes = np.bincount(owners, minlength=count)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    few = order[rank < PHRASES]
    means = np.bincount(owners[few], weights=cosines[few], minlength=count) / np.maximum(1, np.minimum(sizes, PHRASES))
    return np.where(sizes > 0, _highest(cosines, owners, count), 0.0), means.astype(np.float32)
