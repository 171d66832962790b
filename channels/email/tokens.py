"""Signed tokens: that an id or an address in a mail was made by us, and for which message of ours (pure)."""

import base64
import hmac
import re
import uuid

from channels.email.settings import TOKEN, TOKEN_LENGTH

KEY = r"[A-Za-z0-9-]{1,64}"
SIGNATURE_LENGTH = 20  # base32: 100 bits
UUID_LENGTH = 26  # a uuid's 128 bits in base32
LONGEST = 998  # characters of a line of mail: more is no id of ours
LONGEST_LOCAL = 128  # characters of a local part that are looked at: 64 of ours, and what mail systems put before them
SIGNED = re.compile(rf"({KEY})\.([a-z2-7]{{{SIGNATURE_LENGTH}}})", re.IGNORECASE | re.ASCII)

assert UUID_LENGTH + SIGNATURE_LENGTH == TOKEN_LENGTH


class Tokens:
    """Makes tokens and proves them. What cannot be proved is the empty string, whatever is asked.

    Mail systems may change the case of ids and addresses: no token depends on it. Only a key with capitals is lost
    where they were made small; the service's own keys have none.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"email tokens", "sha256")

    def message_id(self, key: str, domain: str) -> str:
        """The Message-ID of the message `key`, without angle brackets: the same for every attempt."""
        return f"fl.{self.token(key)}@{domain}"

    def token(self, key: str) -> str:
        """`key` and its signature: the value of our own header."""
        if not re.fullmatch(KEY, key):
            raise ValueError("a message's key is 1 to 64 letters, digits and hyphens")
        return f"{key}.{self._sign(key)}"

    def reply_address(self, key: str, template: str) -> str:
        """The address to answer the message `key` at; empty where there is no template or the key is no uuid."""
        written = _compact(key)
        return template.replace(TOKEN, written + self._sign(key)) if template and written else ""

    def in_message_id(self, message_id: str) -> str:
        """The key that a Message-ID (with or without angle brackets) was made for, or nothing."""
        if len(message_id) > LONGEST:
            return ""
        local = message_id.strip().removeprefix("<").rpartition("@")[0]
        return self.in_token(local[3:]) if local[:3].lower() == "fl." else ""

    def in_token(self, token: str) -> str:
        """The key that a token was made for, or nothing."""
        found = SIGNED.fullmatch(token) if len(token) <= LONGEST else None
        return self._proved(found[1], found[2]) or self._proved(found[1].lower(), found[2]) if found else ""

    def in_address(self, address: str) -> str:
        """The key whose token an address carries in its local part, wherever EMAIL_REPLY_TO had it; or nothing."""
        local = address[:LONGEST].rpartition("@")[0]
        local = local.lower() if local.isascii() else ""
        for start in range(min(len(local), LONGEST_LOCAL) - TOKEN_LENGTH + 1):
            written, signature = local[start : start + UUID_LENGTH], local[start + UUID_LENGTH : start + TOKEN_LENGTH]
            key = _expand(written)
            if key and self._proved(key, signature):
                return key
        return ""

    def _sign(self, key: str) -> str:
        digest = hmac.digest(self._key, key.encode(), "sha256")
        return base64.b32encode(digest).decode().lower()[:SIGNATURE_LENGTH]

    def _proved(self, key: str, signature: str) -> str:
        good = hmac.compare_digest(self._sign(key).encode(), signature.lower().encode("utf-8", "replace"))
        return key if good else ""


def _compact(key: str) -> str:
    """A uuid in base32; nothing if it is not one in its usual form."""
    try:
        found = uuid.UUID(key)
    except ValueError:
        return ""
    return base64.b32encode(found.bytes).decode().lower().rstrip("=") if str(found) == key else ""


def _expand(written: str) -> str:
    """The uuid that `_compact` wrote so, and no other spelling of it."""
    if not re.fullmatch(f"[a-z2-7]{{{UUID_LENGTH}}}", written):
        return ""
    key = str(uuid.UUID(bytes=base64.b32decode(written.upper() + "======")))
    return key if _compact(key) == written else ""
