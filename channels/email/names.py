"""File names that are safe to show and to save, for what strangers attach."""

import mimetypes
import re
import unicodedata

from channels.email.bounds import MOST_NAME
from channels.email.charsets import INVISIBLE

ENDINGS = {
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/feedback-report": ".txt",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "message/news": ".eml",
    "application/ms-tnef": ".dat",
    "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-signature": ".p7s",
    "application/octet-stream": ".bin",
}
BUILT_IN = mimetypes.MimeTypes()  # without the machine's own list: the same names everywhere


def safe(name: str) -> str:
    """The last piece of a path, without what file systems or readers could take amiss; "" if nothing is left."""
    name = unicodedata.normalize("NFC", INVISIBLE.sub("", name))
    name = re.split(r"[/\\]", name.rstrip("/\\ "))[-1]
    name = re.sub(r'[<>:"|?*]', "_", name)
    name = "".join(each for each in name if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    name = re.sub(r"\s+", " ", name).strip(" .")
    if len(name) <= MOST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        return name[:MOST_NAME].rstrip(" .")
    return stem[: MOST_NAME - len(ending) - 1].rstrip(" .") + "." + ending


def made_up(content_type: str, subject: str = "") -> str:
    """A name for what has none: by its type, or of an attached mail its subject."""
    ending = ENDINGS.get(content_type) or BUILT_IN.guess_extension(content_type) or ".bin"
    if ending == ".eml":
        if subject:
            # A subject is no path: "Offer 3/4" keeps both its numbers.
            return safe(re.sub(r"[/\\]", "-", subject)[: MOST_NAME - 4].rstrip(" .") + ending) or "message.eml"
        return "message" + ending
    kind, _, form = content_type.partition("/")
    if kind == "message":
        return safe(form + ending)
    return (kind if kind in ("image", "audio", "video", "text") else "attachment") + ending
