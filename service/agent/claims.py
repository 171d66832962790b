"""Whether a sentence claims what the words it cites do not say: numbers, links, promises, names, sources (pure)."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from service.agent.terms import content, normal, stem, words

#: Of a sentence's meaningful words, at least this share stands in what it cites. The rest is grammar and paraphrase.
LEAST_SHARED = 0.6

_LINK = re.compile(r"(?:https?://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b(?:/\S*)?", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:]+@[^\s@<>()\[\],;:]+")
_NUMBER = re.compile(r"(?P<before>[€$£#]?)\s?(?P<digits>\d+(?:[.,:/\-]\d+)*)\s?(?P<after>[%€$£°]?)")
_QUOTED = re.compile(r"[“\"]([^”\"]+)[”\"]")
_NAME = re.compile(r"(?<=[\w,;:’'“\"(] )[“\"(]?([A-Z][\w’'-]*)|(?<!^)\b([A-Z]{2,})\b")
_FIRST_PERSON = re.compile(r"\b(?:i|i['’](?:m|ll|ve|d)|me|my|mine)\b", re.IGNORECASE)
_OURS = re.compile(r"\b(?:we|us|our)\b(?!-)", re.IGNORECASE)
#: What happens later, or has just been done.
_COMMITS = re.compile(
    r"\b(?:will|shall|won['’]t|going to)\b|['’](?:ll|ve)\b|\b(?:have|has) (?:been|now|just|already)\b", re.IGNORECASE
)
#: What costs the company something, what it stands for, and limits, which must be the passage's own: how words begin.
_WEIGHTY = tuple(
    """
    refund reimburs compensat credit voucher discount coupon bonus gift waive waiving except guarant promis assur ensur
    replac upgrad cancel approv eligib entitl permanent unlimit automatic immediat instant anytime lifetime forever
    """.split()
)
_WEIGHTY_WORDS = frozenset(
    ("free", "always", "never", "any", "every", "all", "only", "must", "today", "tomorrow", "now")
)
#: What a claim may call on as its authority: how words begin.
_SOURCES = tuple(
    """
    accord polic legal legislat regulat directive contract manual guide handbook faq article website research source
    expert lawyer manufactur government
    """.split()
)
_SOURCE_WORDS = frozenset(("law", "laws", "act", "terms", "page", "report", "study", "blog"))
_NOT = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|except|unless|excluding)\b|n['’]t\b", re.I
)
#: What begins a condition or a limit, and what may stand for it in other words.
_SAME = {
    "if": ("if", "when", "provided", "as long as"),
    "provided": ("if", "when", "provided", "as long as"),
    "unless": ("unless", "except"),
    "except": ("unless", "except", "excluding"),
    "excluding": ("except", "excluding"),
    "until": ("until", "till", "before", "by"),
    "before": ("before", "by", "until"),
}
_LIMIT = re.compile(r"\b(?:if|only|unless|except|excluding|until|before|after|provided|as long as)\b", re.IGNORECASE)
_COUNTS = {
    word: str(value)
    for value, word in enumerate(
        """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen twenty
        """.split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
_AMOUNTS = frozenset(
    ("half", "quarter", "third", "double", "twice", "triple", "once", "dozen", "hundred", "thousand", "million")
)
_UNITS = frozenset(
    stem(word)
    for word in """
    second minute hour day week month quarter year night weekday workday euro cent dollar pound percent gram kilogram kg
    g mg litre liter ml l metre meter cm mm km degree watt volt bar business working item order piece bag cup shot
    """.split()
)
#: "One" is more often a pronoun than a count.
_VAGUE = frozenset(("one",))


@dataclass(frozen=True)
class Support:
    """What a sentence may lean on. `text`: the cited words; `around`: title and headings, which name things too."""

    text: str
    around: str = ""
    own: tuple[str, ...] = ()  # the sentences of `text`, where it is more than one

    @property
    def sentences(self) -> tuple[str, ...]:
        return self.own or (self.text,)

    @property
    def whole(self) -> str:
        return f"{self.around}\n{self.text}"


def unsupported(sentence: str, support: Support, *, names: Collection[str] = ()) -> str | None:
    """What the sentence claims beyond its support, in a few words for staff; None if nothing. `names`: known ones."""
    if extra := _links(sentence) - _links(support.text):
        return f"a link or address that is not in the passage ({min(extra)})"
    if extra := _numbers(sentence) - _numbers(support.text):
        return f"a number that is not in the passage ({min(extra).strip()})"
    if normal(sentence) and normal(sentence) in map(normal, support.sentences):
        return None  # the passage's own words, whole: half a sentence may lack its condition
    if _FIRST_PERSON.search(sentence) or (_OURS.search(sentence) and not _OURS.search(support.text)):
        return "it speaks for the company, which the passage does not"
    if _COMMITS.search(sentence) and not _COMMITS.search(support.text):
        return "a promise that is not in the passage"
    if extra := _like(sentence, _WEIGHTY, _WEIGHTY_WORDS) - _like(support.whole, _WEIGHTY, _WEIGHTY_WORDS):
        return f"a promise or a limit that is not in the passage ({min(extra)})"
    if extra := _like(sentence, _SOURCES, _SOURCE_WORDS) - _like(support.whole, _SOURCES, _SOURCE_WORDS):
        return f"a source that is not in the passage ({min(extra)})"
    if bool(_NOT.search(sentence)) != bool(_NOT.search(support.text)):
        return "it says yes where the passage says no, or the other way round"
    if dropped := _dropped(sentence, support.sentences):
        return f"a condition of the passage is missing ({dropped})"
    if extra := _names(sentence) - {word.lower() for word in words(support.whole)} - _known(names):
        return f"a name that is not in the passage ({min(extra)})"
    if any(each.casefold() not in support.whole.casefold() for each in _QUOTED.findall(sentence)):
        return "a quotation that is not in the passage"
    told = set(content(sentence))
    if told and len(told & set(content(support.whole))) < LEAST_SHARED * len(told):
        return "too little of it is in the passage"
    return None


def _dropped(sentence: str, sentences: Collection[str]) -> str | None:
    """A condition or a limit of what the sentence rests on that it does not say, by the word that begins it."""
    told, left = set(content(sentence)), set(content(sentence))
    while left:
        # It may be put together from several: the nearest first, then those that hold what is left of it.
        nearest = max(sentences, key=lambda each: len(left & set(content(each))))
        if not left & set(content(nearest)):
            break
        for match in _LIMIT.finditer(nearest):
            word = match[0].lower()
            said = any(re.search(rf"\b(?:{each})\b", sentence, re.IGNORECASE) for each in _SAME.get(word, (word,)))
            # "Free if you ask" is not "free if it arrived damaged".
            clause = set(content(re.split(r"[,;:.!?]", nearest[match.end() :])[0]))
            if not said or (clause and not clause & told):
                return word
        left -= set(content(nearest))
    return None


def _like(text: str, beginnings: tuple[str, ...], whole: Collection[str]) -> set[str]:
    """Which of these beginnings and whole words stand in a text."""
    found: set[str] = set()
    for word in words(text):
        if word in whole:
            found.add(word)
        found |= {each for each in beginnings if word.startswith(each)}
    return found


def _links(text: str) -> set[str]:
    addresses = {each.rstrip(".!?'\"").casefold() for each in _ADDRESS.findall(text)}
    links = {each.rstrip(".,;:!?)'\"").casefold() for each in _LINK.findall(_ADDRESS.sub(" ", text))}
    return addresses | links


def _numbers(text: str) -> set[str]:
    """Every number, alone and with its unit: "€ 5", "5 day". In words or digits it is the same."""
    spelled = re.sub(
        r"[^\W\d_]+", lambda match: _COUNTS.get(match[0].lower(), match[0]) if _counts(match[0]) else match[0], text
    )
    found: set[str] = set()
    for match in _NUMBER.finditer(spelled):
        digits = match["digits"]
        if re.fullmatch(r"\d{1,3}(,\d{3})+", digits):
            digits = digits.replace(",", "")
        found.add(digits)
        if sign := match["before"] or match["after"]:
            found.add(f"{digits} {sign}")
        # "5 working days" are days too.
        following = [stem(word) for word in words(spelled[match.end() : match.end() + 40])[:2]]
        found |= {f"{digits} {unit}" for unit in following if unit in _UNITS}
    return found | {f"{word} " for word in words(text) if word in _AMOUNTS}


def _counts(word: str) -> bool:
    return word.lower() in _COUNTS and word.lower() not in _VAGUE


def _names(sentence: str) -> set[str]:
    """Words with a capital inside a sentence, in lower case."""
    return {part for match in _NAME.finditer(sentence) for part in words(match[1] or match[2] or "")}


def _known(names: Collection[str]) -> set[str]:
    return {part for name in names for part in words(name)}
