"""A question to its passages: meaning, words and phrases blended, with the facts that the result rests on."""

import time

import numpy as np

from knowledge import facts
from knowledge.context import Asked, History, understand
from knowledge.corpus import Corpus
from knowledge.embedder import Embedder
from knowledge.index import Index
from knowledge.passage import Found, Passage, Sentence
from knowledge.scores import Query, Scores, score

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
    if not question.strip() or not index.corpus.entries:
        return Found(asked.context, (), (), facts.nothing(), index.corpus.revision, time.perf_counter() - started)
    query = _embedded(embedder, asked)
    corpus, places, cosines = index.nearest(query.vector, NEAREST)
    scores = score(corpus, query, places, cosines)
    order = np.argsort(-scores.blend, kind="stable")
    best = int(order[0])
    return Found(
        question=asked.context,
        passages=_passages(corpus, scores, limit),
        articles=tuple((corpus.entries[place].slug, float(scores.blend[place])) for place in order[:ARTICLES]),
        facts=facts.measure(corpus, scores, asked, query, best, _best_passage(corpus, scores, best)),
        revision=corpus.revision,
        seconds=time.perf_counter() - started,
    )


def _embedded(embedder: Embedder, asked: Asked) -> Query:
    alone = _embed(embedder, asked.question)
    # In one pass, which takes half the time; always the same ones together, so always the same numbers.
    parts = embedder.embed_documents(asked.parts) if len(asked.parts) > 1 else alone[None]
    if asked.context == asked.question:
        return Query(alone, alone, parts, None, 0.0, asked.weights)
    context = embedder.embed_query(asked.context)
    weight = WEIGHT_LEANING if asked.leaning else WEIGHT_FREE
    # Not stretched to length 1 again: so every cosine is the mean of the two it would have by themselves.
    return Query((1 - weight) * alone + weight * context, alone, parts, context, weight, asked.weights)


def _embed(embedder: Embedder, question: str) -> np.ndarray:
    words = question.split()
    if len(words) <= PART_WORDS:
        return embedder.embed_query(question)
    parts = [" ".join(words[start : start + PART_WORDS]) for start in range(0, len(words), PART_WORDS)][:PARTS]
    mean = np.mean([embedder.embed_query(part) for part in parts], axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def _passages(corpus: Corpus, scores: Scores, limit: int) -> tuple[Passage, ...]:
    places = np.argsort(-scores.passage_blend, kind="stable")[:limit]
    found: list[Passage] = []
    for place in map(int, places):
        piece, owner = corpus.pieces[place], int(corpus.passages.owners[place])
        entry = corpus.entries[owner]
        start = int(corpus.sentences.starts[place])
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
                    for position, (text, cosine) in enumerate(
                        zip(piece.sentences, scores.sentences[start : start + len(piece.sentences)], strict=True)
                    )
                ),
            )
        )
    return tuple(found)


def _best_passage(corpus: Corpus, scores: Scores, article: int) -> int:
    own = np.flatnonzero(corpus.passages.owners == article)
    return int(own[scores.passage_blend[own].argmax()]) if len(own) else -1
