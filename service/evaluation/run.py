"""One evaluation from beginning to end: import, search, fit on `calibrate` alone, score both splits."""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import SQLModel

from knowledge import FACTS, Knowledge, import_articles, import_folder, read_jsonl
from knowledge.embedder import Embedder
from service.agent import Agent, Asked, Examined
from service.agent.answer import DRAFT_FACTS
from service.agent.confidence import Confidence
from service.agent.screen import MESSAGE_FACTS
from service.db import Database
from service.evaluation.datasets import SPLITS, Pack, PackError, Question, read_pack
from service.evaluation.fit import enough, fit
from service.evaluation.judge import Judged, holds, judge
from service.evaluation.scorecard import Outcome, scorecard

if TYPE_CHECKING:
    from service.evaluation.asking import MakeClaude

Progress = Callable[[int, int, str], None]

WRONG_RATE = 0.05
LATENCY_QUESTIONS = 100
SEED = 7
#: The facts that confidence is fitted on, in order.
FACT_NAMES = (*(fact.name for fact in FACTS), *DRAFT_FACTS, *MESSAGE_FACTS)


@dataclass(frozen=True)
class Measured:
    """One question with everything but its confidence."""

    question: Question
    examined: Examined
    judged: Judged


async def evaluate(
    pack_dir: Path,
    work_dir: Path | None = None,
    *,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
    wrong_rate: float = WRONG_RATE,
    make_claude: "MakeClaude | None" = None,
) -> dict[str, Any]:
    """The figures of a pack. `work_dir` keeps the embedded articles for the next time. Raises PackError.

    `make_claude`: also put the questions of the test split to Claude, which costs money.
    """
    pack = read_pack(pack_dir)
    show = progress or (lambda done, total, what: None)
    with tempfile.TemporaryDirectory(prefix="firstline-") as temporary:
        folder = work_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        db = Database(f"sqlite+aiosqlite:///{folder / 'evaluation.db'}")
        embedder = embedder or Embedder()
        knowledge = Knowledge(db.read, embedder, Path(temporary) / "index")
        try:
            await load_articles(pack, db, embedder, show)
            agent = Agent(knowledge, Confidence.shipped(), company=pack.name, wrong_rate=wrong_rate)
            measured = await measure(pack, agent, show)
            result = score(pack, measured, wrong_rate)
            result["latency_ms"] = await latency(pack, agent, show)
            if make_claude:
                from service.evaluation.asking import ask_claude  # brings the SDK, which takes a second to import

                examined = [(each.question, each.examined) for each in measured if each.question.split == "test"]
                result["claude"] = await ask_claude(examined, agent, make_claude, show)
        finally:
            await knowledge.close()
            await db.close()
    return result


async def load_articles(pack: Pack, db: Database, embedder: Embedder, show: Progress) -> None:
    """The pack's articles, published in an otherwise empty database."""
    async with db.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)

    def embedding(done: int, total: int) -> None:
        show(done, total, "Embedding articles")

    if pack.lines:
        report = await import_articles(db, embedder, read_jsonl(pack.lines), progress=embedding)
    else:
        report = await import_folder(db, embedder, pack.folder / "articles", progress=embedding)
    if trouble := [*report.errors, *report.conflicts]:
        raise PackError(f"The articles of {pack.name} cannot be read: {trouble[0]}")


async def measure(pack: Pack, agent: Agent, show: Progress) -> list[Measured]:
    """Every question as far as confidence needs it."""
    measured: list[Measured] = []
    for number, question in enumerate(pack.questions, 1):
        asked = Asked(question.text, question.history)
        # In a bare pack the screen has no say: an article may be called "greeting" or "a person".
        examined = await (agent.examine_whole(asked) if pack.bare else agent.examine(asked))
        measured.append(Measured(question, examined, judge(question, examined.parts, bare=pack.bare)))
        show(number, len(pack.questions), "Asking questions")
    return measured


def taught(measured: Sequence[Measured]) -> list[Measured]:
    """The questions that confidence is fitted on: of calibrate, and asking one thing."""
    return [each for each in measured if each.question.split == "calibrate" and len(each.examined.parts) == 1]


def conversations(measured: Sequence[Measured]) -> list[str]:
    """Which conversation each question is from: those that begin alike are one."""
    return [each.question.history[0][1] if each.question.history else each.question.text for each in measured]


def score(pack: Pack, measured: Sequence[Measured], wrong_rate: float) -> dict[str, Any]:
    """Fit on `calibrate` where it has labels enough, choose the threshold there, and score each split."""
    teaching = taught(measured)
    right = [each.judged.right for each in teaching]
    own: dict[str, float] = {}
    if enough(right):
        rows = [each.examined.parts[0].facts for each in teaching]
        title = f"{pack.name}: {len(rows)} questions of its calibrate split"
        confidence = fit(rows, right, FACT_NAMES, title, conversations(teaching))
        # On calibrate every question is scored by a model that has not seen it.
        own = {each.question.id: out[0] for each, out in zip(teaching, confidence.outcomes, strict=True)}
        threshold = confidence.threshold(wrong_rate)
        fitted_on = confidence.fitted_on
    else:
        confidence = Confidence.shipped()
        threshold = confidence.threshold(wrong_rate)
        fitted_on = f"the coefficients that come with Firstline ({confidence.fitted_on}); this pack has too few labels"
    result: dict[str, Any] = {"pack": pack.name, "fitted_on": fitted_on, "wrong_rate_wanted": wrong_rate}
    result["promised"], result["note"] = threshold.promised, threshold.note
    for split in SPLITS:
        outcomes = [
            outcome(each, confidence, own.get(each.question.id), bare=pack.bare)
            for each in measured
            if each.question.split == split
        ]
        result[split] = scorecard(outcomes, threshold.value)
    return result


def outcome(measured: Measured, confidence: Confidence, own: float | None, *, bare: bool) -> Outcome:
    """What became of one question. `own`: its cross-fitted confidence, where it was fitted on."""
    question, parts = measured.question, measured.examined.parts
    if own is not None and measured.examined.offered(bare):
        value = own
    else:
        value = min((confidence.predict(part.facts) for part in parts), default=0.0)
    offered = measured.examined.offered(bare)
    slugs = [slug for slug, _ in parts[0].found.articles] if parts else []
    passages = parts[0].found.passages if parts else ()
    holding = (
        rank
        for rank, passage in enumerate(passages, 1)
        if passage.slug in question.articles and any(holds(passage.text, piece) for piece in question.evidence)
    )
    return Outcome(
        answerable=question.answerable,
        kind=question.kind,
        ranks=tuple(rank for rank, slug in enumerate(slugs, 1) if slug in question.articles),
        relevant=len(question.articles),
        evidence_rank=next(holding, 0) if question.evidence and not bare else None,
        confidence=value if offered else 0.0,
        right=measured.judged.right,
        said=measured.judged.said,
        offered=offered,
    )


async def latency(pack: Pack, agent: Agent, show: Progress) -> dict[str, float]:
    """Milliseconds from the message to the verdict, one question at a time, over a sample of the test split."""
    asked = [question for question in pack.questions if question.split == "test"] or list(pack.questions)
    sample = random.Random(SEED).sample(asked, min(LATENCY_QUESTIONS, len(asked)))
    took: list[float] = []
    for number, question in enumerate(sample, 1):
        began = time.perf_counter()
        await agent.respond(Asked(question.text, question.history))
        took.append(1000 * (time.perf_counter() - began))
        show(number, len(sample), "Timing answers")
    took.sort()
    return {"p50": took[len(took) // 2], "p95": took[min(len(took) - 1, int(len(took) * 0.95))]}
