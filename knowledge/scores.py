"""What a question scores against everything published: vectors and words, for passages and for articles."""

from dataclasses import dataclass

import numpy as np

from knowledge.corpus import Corpus

# Phrases of an article whose mean counts: one alone may be near by chance.
PHRASES = 3
# The blend of min-max scores over articles, measured over several knowledge bases. They add up to 1.
CLOSENESS, LIKENESS, PARTS, WORDS = 0.36, 0.22, 0.21, 0.21
# The blend over passages: their own vectors and words, and for the rest what their article scores.
OF_ARTICLE, DENSE, LEXICAL = 0.5, 0.35, 0.15


@dataclass(frozen=True)
class Query:
    """A question as vectors and words."""

    vector: np.ndarray  # (384,): of the question, mixed with its context if it has one
    alone: np.ndarray  # (384,): of the question without it
    parts: np.ndarray  # (parts, 384): of its clauses
    context: np.ndarray | None  # (384,): of the question and what was said before it
    context_weight: float  # how much of `vector` is of the context, 0..1
    weights: dict[str, float]  # how much each term counts


@dataclass(frozen=True)
class Scores:
    """Arrays by place in the corpus. Cosines are -1..1, blends 0..1."""

    passages: np.ndarray  # cosine of each passage
    passage_words: np.ndarray  # BM25 of each passage
    passage_blend: np.ndarray  # what passages are ordered by
    sentences: np.ndarray  # cosine of each sentence
    phrases: np.ndarray  # cosine of each phrase
    phrase_best: np.ndarray  # of each article: its nearest phrase
    passage_best: np.ndarray  # of each article: its nearest passage
    sentence_best: np.ndarray  # of each article: its nearest sentence
    centroids: np.ndarray  # of each article
    closeness: np.ndarray  # of each article: mean of its nearest part and of its centroid
    likeness: np.ndarray  # of each article: log-likelihood by the probe, up to a constant
    parts: np.ndarray  # of each article: mean over the question's clauses of what is nearest to each
    words: np.ndarray  # BM25 of each article
    blend: np.ndarray  # what articles are ordered by


def score(corpus: Corpus, query: Query, nearest: np.ndarray, cosines: np.ndarray) -> Scores:
    """`nearest` and `cosines`: the index's passages. Those it did not return are taken to be as far as the last."""
    passages = np.full(len(corpus.pieces), cosines.min() if len(cosines) else 0.0, dtype=np.float32)
    passages[nearest] = cosines
    passage_words = corpus.lexical.scores(query.weights)

    wanted = [query.vector, *query.parts, *([] if query.context is None else [query.context])]
    directions = np.stack(wanted, axis=1)
    of_sentences = corpus.sentence_embeddings @ directions
    of_phrases = corpus.phrase_embeddings @ directions
    passage_peaks = corpus.sentences.highest(of_sentences)  # of each passage and direction: its nearest sentence
    article_peaks = corpus.passages.highest(passage_peaks)
    phrase_peaks = corpus.phrases.highest(of_phrases)

    passage_best = corpus.passages.highest(passages)
    phrase_few = corpus.phrases.highest_mean(of_phrases[:, 0], PHRASES)
    centroids = corpus.centroids @ query.vector
    closest = np.maximum(np.maximum(phrase_few, passage_best), article_peaks[:, 0])
    closeness = (closest + centroids) / 2
    likeness = corpus.probe.scores(query.vector)
    parts = _parts(np.maximum(article_peaks, phrase_peaks)[:, 1:], query)
    words = corpus.article_lexical.scores(query.weights)
    blend = CLOSENESS * spread(closeness) + LIKENESS * spread(likeness) + PARTS * spread(parts) + WORDS * spread(words)

    near = (passages + np.maximum(passage_peaks[:, 0], -1.0)) / 2
    own = DENSE * spread(near) + LEXICAL * spread(passage_words)
    return Scores(
        passages=passages,
        passage_words=passage_words,
        passage_blend=OF_ARTICLE * blend[corpus.passages.owners] + own,
        sentences=of_sentences[:, 0],
        phrases=of_phrases[:, 0],
        phrase_best=phrase_peaks[:, 0],
        passage_best=passage_best,
        sentence_best=article_peaks[:, 0],
        centroids=centroids,
        closeness=closeness,
        likeness=likeness,
        parts=parts,
        words=words,
        blend=blend,
    )


def spread(values: np.ndarray) -> np.ndarray:
    """Scores stretched so that the lowest is 0 and the highest 1; all 0 if they are the same."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _parts(peaks: np.ndarray, query: Query) -> np.ndarray:
    """`peaks`: of each article, what is nearest to each clause, and to the context if there is one."""
    if query.context is None:
        return peaks.mean(axis=1)
    return (1 - query.context_weight) * peaks[:, :-1].mean(axis=1) + query.context_weight * peaks[:, -1]
