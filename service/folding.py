"""Words as a search compares them: the same letters on both databases, whatever their case and accents (pure)."""

import unicodedata

#: Words of one search that are looked for; all of them must be there.
MOST_WORDS = 8
#: Further into a message than this nobody looks for the place of a word; characters.
MOST_READ = 10_000


def fold(text: str) -> str:
    """Without case, accents and presentation forms: STRASSE is Straße, Unal is Ünal, and a full-width A is an a."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(letter for letter in apart if not unicodedata.combining(letter)))


def search_words(text: str) -> list[str]:
    """What is looked for, folded, each word once."""
    return list(dict.fromkeys(fold(text.replace("\0", " ")).split()))[:MOST_WORDS]


def excerpt(text: str, words: list[str], length: int = 160) -> str:
    """About `length` characters of `text` around the first of the folded `words` that its beginning holds."""
    text = " ".join(text[:MOST_READ].split())
    at = _first(text, words)
    start = max(0, at - length // 3)
    if start and (space := text.find(" ", start, at)) >= 0:
        start = space + 1
    end = start + length
    if end < len(text) and (space := text.rfind(" ", start, end)) > at:
        end = space
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")


def _first(text: str, words: list[str]) -> int:
    """Where in `text` the first of the folded `words` begins; 0 if none does."""
    if text.isascii():
        plain, places = text.lower(), None
    else:
        pieces = [fold(letter) for letter in text]
        plain = "".join(pieces)
        places = [place for place, piece in enumerate(pieces) for _ in piece]
    at = min((found for word in words if (found := plain.find(word)) >= 0), default=0)
    return places[at] if places and at else at
