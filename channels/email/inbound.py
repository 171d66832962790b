"""A provider's webhook -> what the service is told (pure)."""

from collections.abc import Sequence

from channels.base import Malformed, Parsed, Webhook
from channels.email.interpret import interpret
from channels.email.posts import READERS
from channels.email.settings import EmailSettings
from channels.email.tokens import Tokens

#: Bytes of one post: a mail of 25 MB with what is written around it. Postmark's JSON has each file a second
#: time, so that of its mails about half as much fits.
MOST_BODY = 35_000_000


def parse(webhook: Webhook, settings: EmailSettings, tokens: Tokens, now: float) -> Sequence[Parsed]:
    """`now`: seconds since 1970. Raises Forbidden or Malformed; a mail that cannot be read is none of both."""
    if not settings.webhook:
        raise Malformed("No mail is taken here: EMAIL_WEBHOOK says from which provider it comes.")
    post = READERS[settings.webhook](webhook, settings.webhook_secret, now)
    return interpret(post.raw, settings, tokens, post.recipients).parsed
