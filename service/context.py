"""What the parts of the running service share; made in service/app.py and handed to each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from channels.base import Channel
from service.db import Database
from service.limits import Limits
from service.metrics import Metrics
from service.openings import Openings
from service.settings import Settings
from service.steps import Steps
from service.storable import Failures

if TYPE_CHECKING:  # importing them takes seconds, which commands that only need the database should not wait
    from knowledge import Knowledge
    from service.agent import Agent


@dataclass
class Context:
    """The collaborators. `clock` is what customers could see (windows, promises), in seconds since 1970."""

    settings: Settings
    db: Database
    channels: Mapping[str, Channel]
    knowledge: Knowledge
    agent: Agent
    clock: Callable[[], float] = time.time
    began: float = field(default_factory=time.time)  # this process
    metrics: Metrics = field(default_factory=Metrics)
    steps: Steps = field(default_factory=Steps)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # set when the process has been asked to stop
    failures: Failures = field(default_factory=Failures)  # of this process alone, as are the three below
    switched_off: dict[str, float] = field(default_factory=dict)  # channel -> when it is tried again, monotonic
    limits: Limits = field(init=False)
    openings: Openings = field(init=False)

    def __post_init__(self) -> None:
        self.limits = Limits(self.settings.people_per_address, time.monotonic)
        self.openings = Openings(self.db)
