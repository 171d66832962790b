"""Fits the coefficients that come with Firstline: python -m service.evaluation.ship PACK [PACK ...]"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from knowledge import Knowledge
from knowledge.embedder import Embedder
from service.agent import Agent
from service.agent.confidence import SHIPPED, Confidence
from service.db import Database
from service.evaluation.datasets import read_pack
from service.evaluation.fit import fit
from service.evaluation.run import FACT_NAMES, WRONG_RATE, Measured, conversations, load_articles, measure, taught


async def teach(folders: Sequence[Path]) -> Confidence:
    """Fitted on the calibrate questions of all packs; the threshold rests on those of the first alone."""
    rows: list[dict[str, float]] = []
    right: list[bool] = []
    names: list[str] = []
    groups: list[str] = []
    of_first = 0
    for folder in folders:
        name, measured = await _measured(folder)
        teaching = taught(measured)
        rows += [each.examined.parts[0].facts for each in teaching]
        right += [each.judged.right for each in teaching]
        groups += conversations(teaching)
        names.append(f"{name} ({len(teaching)})")
        of_first = of_first or len(teaching)
    confidence = fit(rows, right, FACT_NAMES, f"calibrate questions of {', '.join(names)}", groups)
    return replace(confidence, outcomes=confidence.outcomes[:of_first])


async def _measured(folder: Path) -> tuple[str, list[Measured]]:
    pack = read_pack(folder)
    pack = replace(pack, questions=tuple(each for each in pack.questions if each.split == "calibrate"))
    with tempfile.TemporaryDirectory(prefix="firstline-") as temporary:
        db, embedder = Database(f"sqlite+aiosqlite:///{temporary}/evaluation.db"), Embedder()
        knowledge = Knowledge(db.read, embedder, Path(temporary) / "index")
        # Nothing of what is measured here depends on the coefficients.
        nothing = Confidence((), (), (), (), 0.0, (), "nothing", "")
        try:
            await load_articles(pack, db, embedder, lambda done, total, what: None)
            agent = Agent(knowledge, nothing, company=pack.name, wrong_rate=WRONG_RATE)
            return pack.name, await measure(pack, agent, lambda done, total, what: None)
        finally:
            await knowledge.close()
            await db.close()


if __name__ == "__main__":
    fitted = asyncio.run(teach([Path(each) for each in sys.argv[1:]]))
    fitted.save(SHIPPED, WRONG_RATE)
    print(fitted.fitted_on, fitted.threshold(WRONG_RATE), sep="\n")
