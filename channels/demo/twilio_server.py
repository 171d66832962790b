"""A server of our own process on loopback: in this event loop or in a thread, on more than one port, and breakable."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HOST = "127.0.0.1"
CLOSING_SECONDS = 1  # that a request may still take when the server ends


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are the business of whose process this is."""
        yield


class Connections:
    """The open ones, by where they come from: so that one can be broken off as a failing network would."""

    def __init__(self) -> None:
        self.open: dict[Any, asyncio.Transport] = {}

    async def break_off(self, client: Any) -> None:
        if transport := self.open.get(tuple(client)):
            transport.abort()
        for _ in range(3):  # until the server has noticed, and answers nothing any more
            await asyncio.sleep(0)


def breakable(connections: Connections) -> type[asyncio.Protocol]:
    """HTTP as uvicorn speaks it, with its connections in sight."""

    class Breakable(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            connections.open[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            connections.open.pop(self.client, None)
            super().connection_lost(exc)

    return Breakable


def bound(port: int = 0) -> socket.socket:
    """A port of loopback, `port` or any. Raises OSError where it is taken."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made


@contextlib.asynccontextmanager
async def serving(app: Any, connections: Connections, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Serves `app` on the sockets for as long as the context is open, in this event loop."""
    config = uvicorn.Config(
        app,
        http=breakable(connections),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(list(sockets)))
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


#: Runs a coroutine where the server runs, and waits for what it gives.
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@contextlib.contextmanager
def in_a_thread(running: contextlib.AbstractAsyncContextManager[Any]) -> Iterator[Run]:
    """Keeps an asynchronous context open in a thread with an event loop of its own."""
    ready, loops, ends = threading.Event(), list[asyncio.AbstractEventLoop](), list[asyncio.Event]()
    failed = list[BaseException]()

    async def live() -> None:
        loops.append(asyncio.get_running_loop())
        ends.append(asyncio.Event())
        try:
            async with running:
                ready.set()
                await ends[0].wait()
        except OSError as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    ready.wait()
    if failed:
        raise failed[0]
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loops[0]).result()
    finally:
        loops[0].call_soon_threadsafe(ends[0].set)
        thread.join()
