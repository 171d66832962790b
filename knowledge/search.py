"""A question to its passages: meaning, words and phrases blended, with the facts that the result rests on."""

import time

import numpy as np

from knowledge import facts
from knowledge.context import History, understand
from knowledge.corpus import Corpus
from knowledge.embedder import Embedder
from knowledge.index import Index
from knowledge.passage import Found, Passage, Sentence
from knowledge.scores import Scores, score, sentence_cosines

# Passages asked of the index: all of a small knowledge base.
NEAREST = 400
# Articles named in what is found.
ARTICLES = 20
# A question that leans on what was said before is mostly searched for with it, another one half.
WEIGHT_LEANING, WEIGHT_FREE = 0.7, 0.5
# The embedder reads 256 tokens. A longer question is read in parts of so many words, of which the first few count.
PART_WORDS = 180
PARTS = 4


def search(index: Index, embedder: Embedder, question: str, history: History = (), limit: int = 10) -> Found:
    """The passages for a question. Blocks while it computes: call it off the event loop."""
    started = time.perf_counter()
    asked = understand(question, history)
    alone = _embed(embedder, asked.question)
    vector = alone
    if asked.context != asked.question:
        weight = WEIGHT_LEANING if asked.leaning else WEIGHT_FREE
        # Not stretched to length 1 again: so every cosine is the mean of the two it would have by themselves.
        vector = (1 - weight) * alone + weight * embedder.embed_query(asked.context)
    corpus, places, cosines = index.nearest(vector, NEAREST)
    if not corpus.entries or not question.strip():
        return Found(asked.context, (), (), facts.nothing(), corpus.revision, time.perf_counter() - started)
    scores = score(corpus, vector, places, cosines, asked)
    order = np.argsort(-scores.blend, kind="stable")
    best = int(order[0])
    return Found(
        question=asked.context,
        passages=_passages(corpus, scores, vector, limit),
        articles=tuple((corpus.entries[place].slug, float(scores.blend[place])) for place in order[:ARTICLES]),
        facts=facts.measure(corpus, scores, asked, alone, best, _best_passage(corpus, scores, best)),
        revision=corpus.revision,
        seconds=time.perf_counter() - started,
    )


def _embed(embedder: Embedder, question: str) -> np.ndarray:
    words = question.split()
    if len(words) <= PART_WORDS:
        return embedder.embed_query(question)
    parts = [" ".join(words[start : start + PART_WORDS]) for start in range(0, len(words), PART_WORDS)][:PARTS]
    mean = np.mean([embedder.embed_query(part) for part in parts], axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def _passages(corpus: Corpus, scores: Scores, vector: np.ndarray, limit: int) -> tuple[Passage, ...]:
    places = np.argsort(-scores.passage_blend, kind="stable")[:limit]
    unread = np.array([place for place in places if int(place) not in scores.sentences], dtype=np.int64)
    cosines = {**scores.sentences, **sentence_cosines(corpus, vector, unread)}
    found: list[Passage] = []
    for place in map(int, places):
        piece, owner = corpus.pieces[place], int(corpus.owners[place])
        entry = corpus.entries[owner]
        found.append(
            Passage(
                chunk_id=piece.id,
                article_id=entry.id,
                slug=entry.slug,
                title=entry.title,
                topic=entry.topic,
                version=entry.version,
                heading=piece.heading,
                text=piece.text,
                score=float(scores.passage_blend[place]),
                dense=float(scores.passages[place]),
                lexical=float(scores.passage_words[place]),
                phrase=float(scores.phrase_best[owner]),
                sentences=tuple(
                    Sentence(text, float(cosine), position)
                    for position, (text, cosine) in enumerate(zip(piece.sentences, cosines[place], strict=True))
                ),
            )
        )
    return tuple(found)


def _best_passage(corpus: Corpus, scores: Scores, article: int) -> int:
    own = np.flatnonzero(corpus.owners == article)
    return int(own[scores.passage_blend[own].argmax()]) if len(own) else -1
