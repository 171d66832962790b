"""What a search gives back: passages with their sentences, and the facts that confidence is made of."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sentence:
    """One sentence (or list item) of a passage. `cosine`: of its embedding to the question's, -1..1."""

    text: str
    cosine: float
    position: int  # its place in the passage, from 0


@dataclass(frozen=True)
class Passage:
    """A chunk of a published article at one version, with its scores for one question."""

    chunk_id: int
    article_id: int
    slug: str
    title: str
    topic: str
    version: int
    heading: str  # the section it is from; empty at an article's beginning
    text: str
    score: float  # the fused score, what the order goes by
    dense: float  # cosine of the chunk to the question
    lexical: float  # BM25 of the chunk
    phrase: float  # the best cosine of its article's phrases (and title); 0 without any
    sentences: tuple[Sentence, ...] = ()


@dataclass(frozen=True)
class Found:
    """The passages for one question, best first, at one knowledge revision.

    `articles` are (slug, score) best first, each article once. `facts` are numbers with fixed names (FACTS in
    knowledge/facts.py), all finite, 0 where there is nothing to measure.
    """

    question: str  # what was searched for: the question in its context
    passages: tuple[Passage, ...]
    articles: tuple[tuple[str, float], ...]
    facts: dict[str, float] = field(default_factory=dict)
    revision: int = 0
    seconds: float = 0.0
