"""One way to watch a step of a message's path: it is timed, and a span where traces are wanted."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as ambient
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from prometheus_client import Histogram

#: The steps there are: names of spans, and values of a label.
STEPS = (
    *("receive", "respond", "screen", "search", "draft", "check", "decide", "claude", "record"),
    "deliver",
)


class Steps:
    """Makes steps: `with steps("search") as step: ...`. Given nothing, they only know how long they took."""

    def __init__(self, seconds: "Histogram | None" = None, provider: "TracerProvider | None" = None) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("firstline") if provider else None
        self._observe = {name: seconds.labels(name).observe for name in STEPS} if seconds else {}

    def __call__(self, name: str, **about: Any) -> "Step":
        """`about`: ids, numbers and names of our own, never a customer's words."""
        if name not in STEPS:
            raise ValueError(f"There is no step {name!r}: add it to STEPS.")
        return Step(name, about, self._tracer, self._observe.get(name))


class Step:
    """One run of a step. `seconds` is what it took, once it has ended."""

    __slots__ = ("_about", "_began", "_name", "_observe", "_span", "_token", "_tracer", "seconds")

    def __init__(self, name: str, about: dict[str, Any], tracer: Tracer | None, observe: Any) -> None:
        self._name, self._about, self._tracer, self._observe = name, about, tracer, observe
        self._span: Span | None = None
        self.seconds = 0.0

    def __enter__(self) -> "Step":
        if self._tracer:
            self._span = self._tracer.start_span(self._name)
            self._token = ambient.attach(set_span_in_context(self._span))
            self.note(**self._about)
        self._began = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._began
        if self._observe:
            self._observe(self.seconds)
        if self._span:
            if isinstance(error, Exception):  # not its message: that may quote what a customer wrote
                self._span.set_attribute("error.type", type(error).__qualname__)
                self._span.set_status(StatusCode.ERROR)
            ambient.detach(self._token)
            self._span.end()

    def note(self, **about: Any) -> None:
        """What turned out meanwhile; None says nothing."""
        if self._span:
            for name, value in about.items():
                if value is not None:
                    self._span.set_attribute(f"firstline.{name}", value)
