"""Our server with WhatsApp alone and a scripted agent, which kills itself at one point: whatsapp_process.py PORT POINT.

The points are those of tests/kill_process.py; it is armed from the start. The settings are the environment's.
"""

import asyncio
import os
import sys

import uvicorn

from channels.base import Setup
from channels.whatsapp.channel import WhatsAppChannel
from service.app import create_app
from service.context import Context
from service.db import Database
from service.settings import Settings
from tests.fakes import NoKnowledge, ScriptedAgent
from tests.kill_process import arm


async def serve(port: int, point: str) -> None:
    settings = Settings(_env_file=None, lease_seconds=1.0, port=port)
    channel, agent = WhatsAppChannel(Setup(b"k" * 32, os.environ, base_url=settings.base_url)), ScriptedAgent()
    assert not channel.missing, channel.missing
    # A test does not wait for the rest of a thought, nor for minutes until Twilio is asked what was missed.
    channel.debounce, channel.missed_every, channel.missed_grace = 0.0, 1.0, 0.0
    assert channel.api  # the SDK is imported now: a lease of a second has no time for it
    context = Context(
        settings=settings,
        db=Database(settings.url),
        channels={channel.name: channel},
        knowledge=NoKnowledge(),
        agent=agent,
    )
    arm(point, context, channel, agent)
    await uvicorn.Server(uvicorn.Config(create_app(context), port=port, log_level="warning", access_log=False)).serve()


def main() -> None:
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
