"""What travelled for a message of the demo's phone: the webhook that Twilio posts, the request that it was asked by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
from twilio.request_validator import RequestValidator

from channels.demo.twilio import Text, Twilio
from channels.demo.twilio_texts import VERSION, new_sid, webhook

Pairs = Sequence[tuple[str, str]]
SECONDS = 15.0  # that Twilio waits for an answer


@dataclass(frozen=True)
class Travelled:
    """A line of what was asked, and its parts, a title and fields each."""

    inbound: bool
    line: str
    parts: Sequence[tuple[str, Pairs]]


def of(twilio: Twilio, text: Text) -> Travelled:
    if text.inbound:
        form = webhook(text, twilio.sid, twilio.url)
        signature = RequestValidator(twilio.token).compute_signature(twilio.webhook, form)
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Twilio-Signature", signature)]
        return Travelled(True, f"POST {twilio.webhook}", [("Headers", headers), ("Form", sorted(form.items()))])
    words = (
        [("ContentSid", text.content_sid), ("ContentVariables", json.dumps(text.variables, ensure_ascii=False))]
        if text.content_sid
        else [("Body", text.body)]
    )
    form = [("From", text.sender), ("To", text.recipient), *words, ("StatusCallback", text.callback)]
    error = [("error_code", str(text.error_code))] if text.error_code else []
    answer = [("sid", text.sid), ("status, one after the other", ", ".join(text.history)), *error]
    headers = [("Authorization", "Basic: the account and its token")]
    line = f"POST {twilio.url}/{VERSION}/Accounts/{twilio.sid}/Messages.json"
    return Travelled(False, line, [("Headers", headers), ("Form", form), ("What became of it", answer)])


async def forge(twilio: Twilio, sender: str) -> tuple[int, str]:
    """Post a message that Twilio never signed. The HTTP status (0: nobody answered), and the words of the answer."""
    text = Text(new_sid("SM"), "inbound", sender, twilio.sender, "This was never written.", "received", twilio.clock())
    form = webhook(text, twilio.sid, twilio.url)
    signature = RequestValidator("not the token").compute_signature(twilio.webhook, form)
    try:
        async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            answer = await client.post(twilio.webhook, data=form, headers={"X-Twilio-Signature": signature})
    except httpx2.RequestError:
        return 0, ""
    try:
        return answer.status_code, str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.status_code, ""


def answer(status: int) -> str:
    return f"Firstline answered {status}" if status else "nobody answered"
