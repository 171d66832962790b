"""One paragraph of plain text to its sentences (pure)."""

import re

# After these a full stop does not end a sentence, whatever follows.
_NEVER = re.compile(
    r"mrs?|ms|dr|prof|st|sr|jr|messrs|mx|rev|hon|gen|col|sgt|capt|lt|e\.g|i\.e|eg|ie|cf|vs|viz|approx|ca|incl|excl|resp|"
    r"figs?|eq|sec|ch|ref|art|dept|est|tel|ext|min|max|std|z\.b|d\.h|bzw|ggf|usw"
)
# After these it ends one unless a number follows: "No. 5" against "No. We do not."
_BEFORE_NUMBER = re.compile("nos?|nr|vol|pp?|pg|para|cl")
_END = re.compile(
    r"""
    (?P<stop>[.!?…]+|[。！？]+)
    (?P<close>["'”’»)\]]*)
    (?:(?<=[。！？])|(?P<gap>\s+))
    (?=(?P<next>\S))
    """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"[\w.&’'-]*$")
_OPENING = "\"'“‘«([¿¡"


def split(text: str) -> list[str]:
    """The sentences of one paragraph, in order and verbatim but for the blanks around them."""
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _ends(text, start, match):
            sentences.append(text[start : match.end()].strip())
            start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    stop, following = match["stop"], match["next"]
    if following in _OPENING:
        after = text[match.end() :].lstrip(_OPENING)[:1]
        following = after or following
    if stop[0] in "。！？":
        return True
    if following.islower():
        # "iPhone" begins sentences too, but far fewer than an unknown abbreviation is followed by a small letter.
        return stop[-1] in "!?" and not match["close"] and len(text[start : match.start()].split()) > 2
    if stop != ".":
        return True
    word = _word_before(text, start, match.start())
    lower = word.lower()
    if _NEVER.fullmatch(lower):
        return False
    if _BEFORE_NUMBER.fullmatch(lower):
        return not following.isdigit()
    if len(word) == 1 and word.isalpha() and word.isupper():
        return word == "I"  # an initial: "J. Smith"
    if word.isdigit() and text[start : match.start()].strip() == word:
        return False  # the number of a step: "1. Open the lid"
    # "U.S. Customs" goes on; "at 5 p.m. The shop" and "by 14:00. The" do not.
    return not ("." in word and word.replace(".", "").isupper() and len(word) <= 5)


def _word_before(text: str, start: int, end: int) -> str:
    match = _LAST_WORD.search(text, max(start, end - 40), end)
    return match.group().strip("'’\"-") if match else ""
