"""Words as a search compares them: the same letters on both databases, whatever their case and accents (pure)."""

import unicodedata
from typing import Any

#: Words of one search that are looked for; all of them must be there.
MOST_WORDS = 8


def fold(text: str) -> str:
    """Without case, accents and presentation forms: STRASSE is Straße, Unal is Ünal, and a full-width A is an a."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(letter for letter in apart if not unicodedata.combining(letter)))


def search_words(text: str) -> list[str]:
    """What is looked for, folded, each word once."""
    return list(dict.fromkeys(fold(text.replace("\0", " ")).split()))[:MOST_WORDS]


def folded(*names: str) -> Any:
    """A column's default: what stands in the columns `names`, folded."""

    def default(context: Any) -> str:
        given = context.get_current_parameters()
        return fold(" ".join(given.get(name) or "" for name in names))

    return default


def excerpt(text: str, words: list[str], length: int = 160) -> str:
    """About `length` characters of `text` around the first of the folded `words` that it holds."""
    text = " ".join(text.split())
    at = min((found for word in words if (found := _find(text, word)) >= 0), default=0)
    start = max(0, at - length // 3)
    if start and (space := text.find(" ", start, at)) >= 0:
        start = space + 1
    end = start + length
    if end < len(text) and (space := text.rfind(" ", start, end)) > at:
        end = space
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")


def _find(text: str, word: str) -> int:
    """Where in `text` the folded `word` begins; -1 if nowhere."""
    plain, places = [], []
    for place, letter in enumerate(text):
        for each in fold(letter):
            plain.append(each)
            places.append(place)
    at = "".join(plain).find(word)
    return places[at] if at >= 0 else -1
