"""Whether WhatsApp takes free text from us now: for 24 hours after the customer's last message (pure)."""

import time
from collections.abc import Collection

from channels.base import Offer, Window
from channels.whatsapp.settings import REPLY_READY, SATISFACTION

HOURS = 24
#: It is closed so much earlier: a message takes its time, and what arrives late fails for good (63016).
SPARE_SECONDS = 300.0
OFFERS = {
    REPLY_READY: Offer(
        REPLY_READY,
        "Tell them that a reply is ready",
        "(The approved message that a reply is ready.)",
        invites=True,
    ),
    SATISFACTION: Offer(SATISFACTION, "Ask how it went", "(The approved message that asks how it went.)"),
}


def window(last_customer_at: float | None, now: float, purposes: Collection[str]) -> Window:
    """`purposes`: for which there is an approved template."""
    if last_customer_at is not None:
        until = last_customer_at + HOURS * 3_600 - SPARE_SECONDS
        if now < until:
            return Window(open=True, until=until)
        wrote = time.strftime("%d %B, %H:%M UTC", time.gmtime(last_customer_at)).lstrip("0")
        why = f"WhatsApp takes free text for {HOURS} hours after the customer's last message, which was on {wrote}."
    else:
        why = "WhatsApp takes free text only when the customer has written first."
    offers = tuple(offer for purpose, offer in OFFERS.items() if purpose in purposes)
    otherwise = (
        "Until they write again, only an approved message reaches them."
        if offers
        else "They have to write again; no approved message is set (WHATSAPP_REPLY_TEMPLATE)."
    )
    return Window(open=False, reason=f"{why} {otherwise}", offers=offers)
