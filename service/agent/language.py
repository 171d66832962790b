"""Which language a message is in, and whether the search can serve it: it was trained on English alone."""

import re
import unicodedata
from functools import cache
from typing import Any

SERVED = "en"

#: Latin-script languages that customers are expected to write. The identifier's full list holds English creoles and
#: tongues that short English questions are mistaken for.
_CANDIDATES = """
    en de fr es it pt nl pl cs sk sl hr hu ro sv da no fi et lv lt tr ca id ms vi ga is sq
    """.split()

#: Words common in English and rare in the candidates: with enough of them a text is English, whatever its names.
_ENGLISH = frozenset(
    """
    the my how what i i'm i've you your can does this that are where when why which who not if from get want need
    please it its and of with for have has would could should will there they is do did don't can't be to order
    return refund parcel delivery account help about much long many been was were still any shipping track buy pay
    payment price change cancel money back new ordered received send sent item items got
    """.split()
)
#: Small words of the candidates that are no English ones: two of them, or half of a short text, tell it is foreign.
_FOREIGN = frozenset(
    """
    wo ist mein meine ich und der das nicht wie kann eine einen mit für wann bitte où est mon ma le les une des je
    ne pas vous pour comment quand dans combien dónde donde está mi el los una que cómo cuando cuándo para por
    cuánto cuanto dove il della che non sono perché quanto quando mio mia onde está minha meu não como uma gdzie
    jest moja mój nie jak czy się waar mijn ik het een niet wanneer hoe var är mitt min jag och hvor pakken jeg ikke
    hvornår kommer missä minun kde je můj moje kargom nerede benim nasıl hol van hogy nem unde este meu cum nu
    """.split()
)
_SURE = 0.97  # probability of all languages but English together, for a text of four words or more
_SURE_SHORT = 0.995  # for two or three words
_LEAST_OF_ONE = 0.45  # probability that the likeliest of them has at least
_SURE_WORDED = 0.6  # where small words tell the same
_NOISE = re.compile(r"[<>#*_]+")
#: Enough to tell a language by; telling takes time in proportion.
_MOST_CHARACTERS = 2_000
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

_SCRIPTS = {
    "ARABIC": "ar",
    "CYRILLIC": "ru",
    "CJK": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "DEVANAGARI": "hi",
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "ETHIOPIC": "am",
}
_UKRAINIAN, _RUSSIAN = frozenset("іїєґІЇЄҐ"), frozenset("ыэъёЫЭЪЁ")


def _of_no_language(word: str) -> bool:
    return "@" in word or "://" in word or any(character.isdigit() for character in word)


def foreign(text: str) -> str | None:
    """The ISO 639-1 code of a language that cannot be served; None if the text is English or too little to tell."""
    # Addresses and numbers are of no language. Word by word: a pattern for them is quadratic on one long word.
    kept = (word for word in text[:_MOST_CHARACTERS].split() if not _of_no_language(word))
    text = _NOISE.sub(" ", " ".join(kept))
    scripts: dict[str, int] = {}
    for character in text:
        if character.isalpha():
            script = _script(character)
            scripts[script] = scripts.get(script, 0) + 1
    if not scripts:
        return None
    letters = sum(scripts.values())
    if letters - scripts.get("", 0) > letters / 2:
        return _of_script(text, scripts)
    return _of_words(text)


@cache
def _script(character: str) -> str:
    """The script's name as Unicode has it; empty for Latin and whatever is not listed."""
    name = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    return name if name in _SCRIPTS else ""


def _of_script(text: str, scripts: dict[str, int]) -> str:
    if "HIRAGANA" in scripts or "KATAKANA" in scripts:
        return "ja"
    script = max((name for name in scripts if name), key=lambda name: scripts[name])
    if script == "CYRILLIC" and set(text) & _UKRAINIAN and not set(text) & _RUSSIAN:
        return "uk"
    return _SCRIPTS[script]


def _of_words(text: str) -> str | None:
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    if len(words) < 2:
        return None
    english = sum(word in _ENGLISH for word in words)
    if english / len(words) >= 0.15:
        return None
    # In one case: capitals mislead the identifier, which has seen few.
    ranked = _identifier().rank(" ".join(words))
    foreign = 1.0 - next((float(probability) for language, probability in ranked if language == SERVED), 0.0)
    small = sum(word in _FOREIGN for word in words)
    if small >= 2 or (english == 0 and small / len(words) >= 0.5):
        sure = _SURE_WORDED
    else:
        sure = _SURE if len(words) >= 4 else _SURE_SHORT
    best, probability = next((str(name), float(share)) for name, share in ranked if name != SERVED)
    # Names fit no language: their probability is spread thin over many.
    spread = sure != _SURE_WORDED and probability < _LEAST_OF_ONE
    return best if foreign >= sure and not spread else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([name for name in _CANDIDATES if name in set(identifier.labels)])
    return identifier
