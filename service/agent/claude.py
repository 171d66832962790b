"""Claude: one call for a message, in time and within its budget, and every outcome told apart."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import anthropic
import httpx2
import structlog

from knowledge.passage import Passage
from service.agent import outcomes
from service.agent.budget import Budget, Model, Spent, Usage, at_most, cost, describe, refusal
from service.agent.cited import Cut, Reply, TextBlock, ToolUse, draft_of
from service.agent.connection import Silent, listen, never_stood, retry_after
from service.agent.evidence import Draft
from service.agent.outcomes import Outcome
from service.agent.request import HAND_OVER, body, prompt_version, read_prompt, source
from service.agent.stream import STATUS_OF, Heard
from service.agent.terms import count

log = structlog.get_logger()

#: A reply that has begun may fall silent for this share of the deadline. The stream's own signs of life (ping) do not
#: count: the customer waits for words.
OF_SILENCE = 0.3
#: Of a lease, at most this share is spent waiting: what was answered must still be recorded under it.
OF_LEASE = 0.4
#: Seconds that a failing API is left alone when it does not say how long; and the longest that it is believed.
REST, LONGEST_REST = 20.0, 300.0
#: A longer reply is not what a first line says.
MOST_WORDS = 120
#: Characters of a model's own reason that staff read.
MOST_OF_REASON = 200


@dataclass(frozen=True)
class Consulted:
    """What came of asking: `notice` is for staff, `record` (JSON) for the decision. `draft` is only to be sent then."""

    outcome: Outcome
    notice: str
    draft: Draft | None = None
    cut: tuple[Cut, ...] = ()
    usage: dict[str, Any] | None = None  # None: it was not asked
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Replied:
    """A reply at its end."""

    reply: Reply
    usage: Usage
    request_id: str | None


class Claude:
    """Writes an answer from passages. Holds nothing of any conversation, only whether its API is to be left alone."""

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        model: Model,
        budget: Budget,
        *,
        seconds: float,
        company: str,
        spent: Callable[[int | None], Awaitable[Spent]],
    ) -> None:
        self.client, self.model, self.budget = client, model, budget
        self.seconds, self.company, self.spent = seconds, company, spent
        self.stall = seconds * OF_SILENCE
        self.prompt = read_prompt()
        self.prompt_version = prompt_version(self.prompt)
        self._rest_until = 0.0

    async def write(
        self,
        question: str,
        history: Sequence[tuple[str, str]],
        passages: Sequence[Passage],
        conversation_id: int | None,
    ) -> Consulted:
        """Ask for an answer to `question` from `passages`. Raises nothing that the API could cause."""
        if (left := self._rest_until - time.monotonic()) > 0:
            return self._outcome(outcomes.RESTING, f"{left:.0f}")
        limit = self.budget.max_tokens
        request = body(
            question,
            history,
            passages,
            prompt=self.prompt,
            company=self.company,
            model=self.model.name,
            max_tokens=limit,
        )
        most = at_most(json.dumps(request, ensure_ascii=False), limit)
        if sentence := refusal(self.budget, self.model, most, await self.spent(conversation_id)):
            return self._outcome(outcomes.LIMITED, sentence, record={"needs_usd": cost(self.model, most)})
        sent = [source(passage) for passage in passages]
        began = time.monotonic()
        answered = await self._ask(request, most)
        consulted = answered if isinstance(answered, Consulted) else self._read(answered, passages)
        log.info(
            "claude.asked",
            model=self.model.name,
            then=consulted.outcome.then,
            stop=consulted.record.get("stop_reason"),
            seconds=round(time.monotonic() - began, 3),
            cost_usd=(consulted.usage or {}).get("cost_usd"),
        )
        return _with(consulted, sent=sent)

    def pass_over(self) -> Consulted:
        """What stands in the record where an answer was begun before: it is not asked again."""
        return self._outcome(outcomes.BEGUN_BEFORE)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.close()

    async def _ask(self, request: dict[str, Any], most: Usage) -> "Replied | Consulted":
        """The reply, or what went wrong. Where nobody says what a call cost, the most is counted."""
        heard = Heard()
        usage: Usage | None = None
        try:
            async with asyncio.timeout(self.seconds):
                request_id = await listen(self.client, request, heard, self.stall)
            if heard.ended:
                return Replied(heard.reply(), heard.usage(most), request_id)
            outcome = outcomes.BROKE_OFF if heard.begun else outcomes.UNREADABLE
        except Silent:
            outcome = outcomes.STALLED
        except (TimeoutError, anthropic.APITimeoutError) as error:
            outcome = outcomes.LATE
            usage = Usage() if never_stood(error) else None
        except anthropic.APIStatusError as error:
            return self._refused(error, heard, most)
        except anthropic.APIConnectionError as error:
            outcome = outcomes.UNREACHABLE
            usage = Usage() if never_stood(error) else None
        except httpx2.RequestError:
            outcome = outcomes.BROKE_OFF
        except ValueError:  # not JSON, not UTF-8, or not what the API sends
            outcome = outcomes.UNREADABLE
        except anthropic.AnthropicError as error:
            return self._outcome(outcomes.BROKEN, type(error).__name__, usage=heard.usage(most))
        return self._outcome(outcome, usage=usage or heard.usage(most))

    def _refused(self, error: anthropic.APIStatusError, heard: Heard, most: Usage) -> Consulted:
        """An error of the API's, before the reply or in the middle of it."""
        status, usage = error.status_code, Usage()
        if error.response.is_success:  # the stream had begun
            status, usage = STATUS_OF.get(error.type or "", 500), heard.usage(most)
        outcome = outcomes.of_status(status)
        after = retry_after(error.response.headers)
        if outcome.rest:
            self._rest(after)
        record = {"status": status, "request_id": error.request_id}
        return self._outcome(outcome, _detail(error, status, after), usage=usage, record=record)

    def _read(self, replied: "Replied", passages: Sequence[Passage]) -> Consulted:
        reply, usage, request_id = replied.reply, replied.usage, replied.request_id
        record: dict[str, Any] = {
            "stop_reason": reply.stop_reason,
            "answered_by": reply.model,
            "request_id": request_id,
            "reply": [block.model_dump() for block in reply.content if isinstance(block, TextBlock | ToolUse)],
        }
        called = [block for block in reply.content if isinstance(block, ToolUse) and block.name == HAND_OVER]
        if called:  # whatever else it wrote, and however it stopped
            reason = " ".join(str(called[0].input.get("reason") or "it gave no reason").split())[:MOST_OF_REASON]
            return self._outcome(outcomes.STOPS["tool_use"], reason, usage=usage, record=record)
        outcome = outcomes.STOPS.get(reply.stop_reason or "", outcomes.UNKNOWN_STOP)
        if outcome.then != "send":
            category = reply.stop_details.category if reply.stop_details else None
            detail = f" ({category})" if category else ""
            if outcome is outcomes.UNKNOWN_STOP:
                detail = (reply.stop_reason or "none")[:MOST_OF_REASON]
            if reply.stop_reason == "tool_use":  # of a tool that there is not
                outcome, detail = outcomes.UNKNOWN_STOP, "a tool that does not exist"
            return self._outcome(outcome, detail, usage=usage, record=record)
        draft, cut = draft_of(reply, passages, names=[self.company])
        record["cut"] = [asdict(each) for each in cut]
        if not draft.sentences:
            outcome = outcomes.NOTHING_HELD if cut else outcomes.NOTHING_SAID
        elif sum(count(each.text) for each in draft.sentences) > MOST_WORDS:
            outcome = outcomes.TOO_LONG
        return self._outcome(outcome, draft=draft, cut=tuple(cut), usage=usage, record=record)

    def _rest(self, seconds: float | None = None) -> None:
        self._rest_until = time.monotonic() + min(REST if seconds is None else seconds, LONGEST_REST)

    def _outcome(
        self,
        outcome: Outcome,
        detail: str = "",
        *,
        draft: Draft | None = None,
        cut: tuple[Cut, ...] = (),
        usage: Usage | None = None,
        record: dict[str, Any] | None = None,
    ) -> Consulted:
        if outcome.rest and time.monotonic() > self._rest_until:
            self._rest()
        notice = self.say(outcome, detail)
        used = describe(self.model, usage) if usage else None
        about = {
            "model": self.model.name,
            "prompt_version": self.prompt_version,
            "then": outcome.then,
            "notice": notice,
        }
        return Consulted(outcome, notice, draft if outcome.then == "send" else None, cut, used, about | (record or {}))

    def say(self, outcome: Outcome, detail: str = "") -> str:
        """The sentence that staff read about an outcome."""
        text = outcome.staff.format(
            model=self.model.name,
            detail=detail,
            seconds=self.seconds,
            stall=self.stall,
            max_tokens=self.budget.max_tokens,
            most_words=MOST_WORDS,
        )
        return text if text.endswith(".") else f"{text}."


def _with(consulted: Consulted, **more: Any) -> Consulted:
    consulted.record.update(more)
    return consulted


def _detail(error: anthropic.APIStatusError, status: int, after: float | None) -> str:
    if status == 429:
        return f"; it may be asked again in {after:.0f} seconds" if after is not None else ""
    if status == 400:
        return " ".join((error.api_message or "it did not say why").split())[:MOST_OF_REASON]
    return str(status)
