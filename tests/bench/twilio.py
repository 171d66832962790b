"""Twilio as the measured server has it, in a process of its own: it takes every message, and counts them.

twilio.py says {"ready": true} on a line, then answers each line with {"sent": number of messages taken}.
"""

import asyncio
import json
import os
import sys
from urllib.parse import urlsplit

from channels.demo.twilio import Twilio


async def serve() -> None:
    account, token, sender = (os.environ[f"WHATSAPP_{name}"] for name in ("ACCOUNT_SID", "AUTH_TOKEN", "FROM"))
    twilio = Twilio(account, token, sender, "http://127.0.0.1:1")
    # Customers write by way of tests.bench.hooks, which this one does not see: for it everybody has written.
    twilio.window_open = lambda customer: True
    twilio.automatic = False
    async with twilio.running(urlsplit(os.environ["WHATSAPP_API_URL"]).port or 0):
        print(json.dumps({"ready": True}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps({"sent": len(twilio.messages)}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
