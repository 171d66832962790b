"""A vendor that posts signed webhooks, in a process of its own: at a steady rate, or so many in flight.

Reads commands from standard input, one JSON object a line, and answers each with a line:
{"do": "pace", ..., "rate": 60, "seconds": 20}  -> one starts every 1/rate seconds, whether or not others are answered
{"do": "flat", ..., "flight": 20, "count": 400} -> the next starts when one is answered
Both take "url", "signed_as" (what the signature is made over), "token", "sender", "account" and "kind": "message", or
"nothing" (a status that says nothing: the server checks its signature, reads the form and has nothing to store).
"""

import asyncio
import json
import sys
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from tests.bench.load import Connection

#: A webhook that is not answered within so many seconds is given up by the vendor, and never repeated.
PATIENCE_SECONDS = 15.0
QUESTIONS = ("Where is my parcel?", "How do I return something?", "When will I get my money back?")


@dataclass
class Posts:
    """What is posted, and what came of it. `taken`: the ids of the messages that were acknowledged."""

    url: str
    signed_as: str
    token: str
    account: str
    sender: str
    kind: str
    latencies: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    idle: list[Connection] = field(default_factory=list)

    def form(self, number: int) -> tuple[str, dict[str, str]]:
        sid = f"SM{uuid.uuid4().hex}"
        phone = f"+4915{number:09}"
        fields = {"MessageSid": sid, "SmsSid": sid, "AccountSid": self.account, "ApiVersion": "2010-04-01"}
        if self.kind == "nothing":
            return sid, {**fields, "MessageStatus": "queued", "From": self.sender, "To": f"whatsapp:{phone}"}
        said = {"From": f"whatsapp:{phone}", "To": self.sender, "Body": QUESTIONS[number % len(QUESTIONS)]}
        about = {"NumMedia": "0", "NumSegments": "1", "ProfileName": f"Customer {number}", "WaId": phone[1:]}
        return sid, {**fields, **said, **about, "SmsMessageSid": sid, "SmsStatus": "received", "MessageType": "text"}

    async def connection(self) -> Connection:
        """One that is open and not in use, the last used first; else a new one."""
        while self.idle:
            if not (found := self.idle.pop()).ended:
                return found
            found.close()
        return await Connection.open(self.url, "127.0.0.1")

    async def post(self, number: int, began: float) -> None:
        """One webhook. `began`: when it was to be posted, which is when a customer wrote."""
        sid, fields = self.form(number)
        signature = RequestValidator(self.token).compute_signature(self.signed_as, fields)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                connection = await self.connection()
                status = await connection.form("/channels/whatsapp", urlencode(fields), signature)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.faults.append(f"A webhook was not acknowledged ({type(error).__name__}).")
            return
        self.idle.append(connection)
        self.latencies.append(time.perf_counter() - began)
        if status == 200:
            self.taken.append(sid)
        else:
            self.faults.append(f"A webhook was answered with {status}.")


async def pace(posts: Posts, rate: float, seconds: float, first: int) -> None:
    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        at = began + number / rate
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(posts.post(first + number, at)))
    await asyncio.gather(*tasks)


async def flat(posts: Posts, flight: int, count: int, first: int) -> None:
    left = iter(range(first, first + count))

    async def one() -> None:
        for number in left:
            await posts.post(number, time.perf_counter())

    await asyncio.gather(*(one() for _ in range(flight)))


async def serve() -> None:
    """Commands in, answers out, until standard input ends."""
    first = 1
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        how, rest = command.pop("do"), {}
        for name in ("rate", "seconds", "flight", "count"):
            if name in command:
                rest[name] = command.pop(name)
        posts = Posts(**command)
        began = time.perf_counter()
        await (pace if how == "pace" else flat)(posts, first=first, **rest)
        seconds = time.perf_counter() - began
        first += len(posts.latencies) + len(posts.faults)
        for connection in posts.idle:
            connection.close()
        answer = {"seconds": seconds, "latencies": posts.latencies, "faults": posts.faults, "taken": posts.taken}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
