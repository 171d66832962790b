"""The retrieval facts: what confidence is made of, each with a fixed name and a meaning (pure)."""

import math
from typing import NamedTuple

import numpy as np

from knowledge.context import Asked
from knowledge.corpus import Corpus
from knowledge.scores import Query, Scores

# The nearest phrases and passages whose articles are compared.
NEIGHBOURS = 10


class Fact(NamedTuple):
    name: str
    meaning: str


# "It" is the best article of the blend.
FACTS: tuple[Fact, ...] = (
    Fact("top", "how close it is: the mean of its nearest part and of its centroid, -1 to 1"),
    Fact("margin", "its lead in closeness over the closest other article"),
    Fact("lead", "its closeness minus the mean of the third to the tenth closest article"),
    Fact("blend_margin", "its lead over the next article in the blended score, 0 to 1"),
    Fact("passage_top", "cosine of its nearest passage"),
    Fact("passage_margin", "its lead over the nearest passage of another article"),
    Fact("phrase_top", "cosine of its nearest phrase"),
    Fact("phrase_margin", "its lead over the nearest phrase of another article"),
    Fact("centroid_top", "cosine of its centroid"),
    Fact("centroid_margin", "its lead over the nearest centroid of another article"),
    Fact("likely", "its probability by the probe, among all articles, 0 to 1"),
    Fact("likely_margin", "its lead in log-likelihood by the probe over the likeliest other article, per dimension"),
    Fact("distance", "Mahalanobis distance to its mean, about 1 for its own texts"),
    Fact("parts_top", "mean over the question's clauses of the cosine of what it has nearest to each"),
    Fact("parts_margin", "its lead in that over the best other article"),
    Fact("sentence_top", "cosine of its nearest sentence"),
    Fact("sentence_margin", "its lead over the nearest sentence of another article"),
    Fact("purity", "share of the ten nearest phrases and passages that are its own, 0 to 1"),
    Fact("neighbours", "mean cosine of the ten nearest phrases and passages"),
    Fact("bm25_top", "logarithm of one plus its BM25"),
    Fact("bm25_ratio", "its BM25 over that of a text that is the question itself"),
    Fact("bm25_margin", "its lead in that ratio over the best other article"),
    Fact("coverage", "share of the question's words, weighted by rarity, that its best passage has, 0 to 1"),
    Fact("coverage_article", "share of them that it has anywhere, 0 to 1"),
    Fact("coverage_all", "share of them that any article has, 0 to 1"),
    Fact("missing", "rarity of the rarest of them that it lacks, against a word that is nowhere, 0 to 1"),
    Fact("dense_place", "one over its place by closeness alone"),
    Fact("lexical_place", "one over its place by BM25 alone; 0 if none of its words match"),
    Fact("length", "logarithm of one plus the number of the question's words that mean something"),
    Fact("has_history", "1 if something was said before, else 0"),
    Fact("leaning", "1 if the question looks as if it needed what was said before, else 0"),
    Fact("alone", "how close its centroid is to the question without what was said before"),
)


def measure(corpus: Corpus, scores: Scores, asked: Asked, query: Query, best: int, passage: int) -> dict[str, float]:
    """Every fact, by name, all finite. `best`: the article's place; `passage`: that of its best passage, or -1."""
    found = {
        "top": scores.closeness[best],
        "margin": _lead(scores.closeness, best),
        "lead": scores.closeness[best] - _third_to_tenth(scores.closeness),
        "blend_margin": _lead(scores.blend, best),
        "passage_top": scores.passage_best[best],
        "passage_margin": _lead(scores.passage_best, best),
        "phrase_top": scores.phrase_best[best],
        "phrase_margin": _lead(scores.phrase_best, best),
        "centroid_top": scores.centroids[best],
        "centroid_margin": _lead(scores.centroids, best),
        "likely": _probability(scores.likeness, best),
        "likely_margin": _lead(scores.likeness, best) / len(query.vector),
        "distance": corpus.probe.distance(query.vector, best),
        "parts_top": scores.parts[best],
        "parts_margin": _lead(scores.parts, best),
        "sentence_top": scores.sentence_best[best],
        "sentence_margin": _lead(scores.sentence_best, best),
        "dense_place": 1 / (1 + int((scores.closeness > scores.closeness[best]).sum())),
        "length": math.log1p(len(asked.terms)),
        "has_history": asked.context != asked.question,
        "leaning": asked.leaning,
        "alone": corpus.centroids[best] @ query.alone,
        **_neighbours(corpus, scores, best),
        **_words(corpus, asked, best),
        **_coverage(corpus, asked, best, passage),
    }
    values = {fact.name: float(found[fact.name]) for fact in FACTS}
    return {name: value if math.isfinite(value) else 0.0 for name, value in values.items()}


def nothing() -> dict[str, float]:
    """The facts where there is nothing to measure."""
    return dict.fromkeys((fact.name for fact in FACTS), 0.0)


def _neighbours(corpus: Corpus, scores: Scores, best: int) -> dict[str, float]:
    cosines = np.concatenate([scores.phrases, scores.passages])
    owners = np.concatenate([corpus.phrases.owners, corpus.passages.owners])
    nearest = np.argsort(-cosines, kind="stable")[:NEIGHBOURS]
    return {"purity": float((owners[nearest] == best).mean()), "neighbours": float(cosines[nearest].mean())}


def _words(corpus: Corpus, asked: Asked, best: int) -> dict[str, float]:
    """By the question's own words: what was said before is no ground for an answer."""
    scores = corpus.article_lexical.scores(dict.fromkeys(asked.terms, 1.0))
    own = corpus.article_lexical.best_possible(asked.terms)
    return {
        "bm25_top": math.log1p(float(scores[best])),
        "bm25_ratio": float(scores[best]) / own if own else 0.0,
        "bm25_margin": _lead(scores, best) / own if own else 0.0,
        "lexical_place": 1 / (1 + int((scores > scores[best]).sum())) if scores[best] > 0 else 0.0,
    }


def _coverage(corpus: Corpus, asked: Asked, best: int, passage: int) -> dict[str, float]:
    lexical = corpus.article_lexical
    rarity = {term: lexical.rarity(term) for term in asked.terms}
    total = sum(rarity.values())
    if not total:
        return {"coverage": 0.0, "coverage_article": 0.0, "coverage_all": 0.0, "missing": 0.0}
    held = corpus.entries[best].terms
    here = frozenset(corpus.pieces[passage].terms) if passage >= 0 else frozenset[str]()
    lacking = [weight for term, weight in rarity.items() if term not in held]
    return {
        "coverage": sum(weight for term, weight in rarity.items() if term in here) / total,
        "coverage_article": 1 - sum(lacking) / total,
        "coverage_all": sum(weight for term, weight in rarity.items() if lexical.knows(term)) / total,
        "missing": max(lacking, default=0.0) / lexical.rarity(""),
    }


def _lead(scores: np.ndarray, best: int) -> float:
    """How far the best is above the highest of the others; its whole score if it is the only one."""
    others = np.delete(scores, best)
    return float(scores[best] - (others.max() if len(others) else 0.0))


def _probability(scores: np.ndarray, best: int) -> float:
    return float(1 / np.exp(np.clip(scores - scores[best], -50, 50)).sum())


def _third_to_tenth(scores: np.ndarray) -> float:
    following = np.sort(scores)[::-1][2:10]
    return float(following.mean()) if len(following) else 0.0
