"""Whether Twilio sent a webhook: its signature over the public address and what was posted (pure)."""

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator, get_signature_algorithm

from channels.base import Forbidden, Webhook
from channels.whatsapp.settings import WhatsAppSettings

SIGNATURE = "x-twilio-signature"
SIGNED_HOW = "x-twilio-webhooks-signature-settings"
#: Where the hash of a body that is no form stands: in the query, which is signed.
BODY_HASH = "bodySHA256"
#: With each other method the SDK writes a line that a stranger words.
METHODS = (HMAC_SHA1, HMAC_SHA256)
REFUSED = (
    "This is not signed by Twilio with WHATSAPP_AUTH_TOKEN for this address. "
    "The address in Twilio's console must begin with PUBLIC_BASE_URL, letter for letter."
)


def verify(webhook: Webhook, settings: WhatsAppSettings) -> None:
    """Raises Forbidden unless Twilio sent it, and nothing else, whatever it holds.

    The signature has no time: what is sent again is told by its MessageSid. A webhook that was signed with a SharedKey
    (HMAC-SHA256) passes where that key's secret is one of the tokens; neither method is the weaker one here.
    """
    signature = webhook.headers.get(SIGNATURE, "")
    if not signature:
        raise Forbidden("This is not signed: Twilio signs everything that it sends.")
    method = get_signature_algorithm(webhook.headers.get(SIGNED_HOW, "")).upper()
    if method not in METHODS:
        raise Forbidden("This is signed in a way that is not known here.")
    try:
        url, signed = public(webhook.url, settings.public_url), _signed(webhook)
        valid = any(RequestValidator(token).validate(url, signed, signature, method) for token in settings.tokens)
    except ValueError:  # no address, or words that are not UTF-8: Twilio signs nothing of the kind
        raise Forbidden(REFUSED) from None
    if not valid:
        raise Forbidden(REFUSED)


def public(url: str, base: str) -> str:
    """The address that Twilio was given: ours, with the path and query as they came.

    Of what the request says of its own host and scheme nothing is taken: behind a proxy it is another, and whoever
    calls can say what they like.
    """
    parts, prefix = urlsplit(url), urlsplit(base).path
    # A proxy may have left the path before ours away, or not.
    path = parts.path.removeprefix(prefix) if parts.path.startswith(f"{prefix}/") else parts.path
    return f"{base}{path}?{parts.query}" if parts.query else f"{base}{path}"


class _Form:
    """A form as the SDK asks for one whose keys may stand in it several times, with blank values too."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for key, value in pairs:
            self.values.setdefault(key, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def getlist(self, key: str) -> list[str]:
        return self.values[key]


def _signed(webhook: Webhook) -> _Form | str:
    """What the signature covers beside the address: the form, or the body as text by its hash in the address."""
    if webhook.form is not None:
        return _Form(webhook.form)
    if not webhook.body:
        return _Form(())
    if BODY_HASH not in parse_qs(urlsplit(webhook.url).query):
        raise Forbidden("What this brings is not signed: no form, and no bodySHA256 in the address.")
    return webhook.body.decode("utf-8")
