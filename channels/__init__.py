"""Channels: where customers write from, each a translator between its vendor and one plain message.

To add a channel:

1. Write `channels/<name>.py` with a subclass of `Channel` (channels/base.py tells the contract). Give it a `name`,
   which becomes its address POST /channels/<name>, and a `title`; write `parse` and `send`; override whatever else
   differs. It is constructed with one argument, a `Setup`; settings of its own it reads from `setup.environ`, and if
   one is missing it names it in `self.missing`, which means the channel is off.
2. Add its line to `CHANNELS`.
3. Tell `tests/test_channels.py` how a customer writes on it (a line of `DELIVERIES`): the suite every channel must pass
   then runs over it. What is particular to it goes into `tests/test_<name>.py`.

Nothing else changes: no other file compares a channel's name.
"""

from channels.base import Channel, Setup
from channels.email.channel import EmailChannel
from channels.webchat import WebChat
from channels.whatsapp.channel import WhatsAppChannel

__all__ = ["CHANNELS", "Setup"]

CHANNELS: tuple[type[Channel], ...] = (
    WebChat,  # one script tag on any page, written to from the browser
    EmailChannel,  # a mailbox, a mail server's hand-over or a provider's webhook; answers by SMTP
    WhatsAppChannel,  # a WhatsApp number at Twilio: its webhook in, its API out
)
