"""The words of a text that carry its meaning, as stems that match across inflections (pure)."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_STOP = frozenset(
    """
    a about after again all also am an and any are as at be because been before being but by can can't cannot could
    did didn't do does doesn't doing don't for from get gets getting given go going got had has have having hello
    hey hi how i i'd i'll i'm i've if in into is isn't it it's its just know let like me might more most much must
    my need no not now of off on one only or other our out over please pls really s so some someone such tell than
    thank thanks that that's the their them then there there's these they they're thing things this those to too up
    us very want wanted was wasn't way we were what what's when where which who whom whose why will with won't would
    you you'd you're your yours im ive dont doesnt cant whats u ur hiya dear team regards cheers able possible
    """.split()
)


def words(text: str) -> list[str]:
    """Every word, in lower case."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def count(text: str) -> int:
    """How long a text is, in words as a reader counts them."""
    return len(text.split())


def content(text: str) -> list[str]:
    """The stems of the words that are not mere grammar, in order, repeated as they are."""
    return list(_content(text))


@lru_cache(maxsize=16_384)
def _content(text: str) -> tuple[str, ...]:
    """Titles, headings and sentences of the articles are met in every search, and are always the same."""
    return tuple(stem(word) for word in words(text) if word not in _STOP)


@lru_cache(maxsize=32_768)
def stem(word: str) -> str:
    """A word without its commonest English endings: return, returns, returned and returning are one."""
    word = word.removesuffix("'s").replace("'", "")
    if len(word) <= 3 or any(character.isdigit() for character in word):
        return word
    for ending, instead in (
        ("ies", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("ied", "y"),
        ("ed", ""),
        ("es", "e"),
        ("s", ""),
    ):
        if word.endswith(ending) and not word.endswith(("ss", "us", "is")) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]  # shipped, shipping -> ship
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def normal(text: str) -> str:
    """A text down to its words and numbers, for comparing what was quoted with where it is from."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))
