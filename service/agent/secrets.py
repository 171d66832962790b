"""Card numbers and passwords that customers send by mistake: found, named and blacked out (pure)."""

import re

#: Digits of a card number. No more groups than that can be one, which bounds the search in a hostile text.
SHORTEST, LONGEST = 13, 19
#: Groups of digits as people write them: apart by a space of any width, a dot or a dash.
_DIGITS = re.compile(r"\d(?:[ \u00a0\u202f.\-]?\d){12,}")
#: What is commonly sent right after the number: the month it ends, the check value.
_AFTER_CARD = re.compile(r"(\[card number ending \d{4}\])(?:[ ,;\u00a0]*(?:\d{2} ?/ ?\d{2,4}|\d{3,4})\b){1,2}")
# Spaces are taken whole (*+): tried in every length, thousands of them would take seconds.
_PASSWORD = re.compile(
    r"\b((?:my |the )?(?:password|passwd|passcode|pin(?: code)?|cvv|cvc)\s*+(?:is\s*+:?|:|=)\s*+)"
    r"(?!(?:wrong|not|too|incorrect|invalid|expired|gone|being|always|never|still|the|my|a|in|on|for|at|to|old|weak|lost)"
    r"(?![\w!@#$%^&*]))"
    r"(\S+)",
    re.IGNORECASE,
)


def redact(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without card numbers and passwords, and the names of what was taken out."""
    found: list[str] = []

    def card(match: re.Match[str]) -> str:
        """Of the groups that stand together, those that are one number: an order's number may be its neighbour."""
        groups = list(re.finditer(r"\d+", match[0]))
        kept: list[str] = []
        first, at = 0, 0
        while first < len(groups):
            last = _end_of_card([group[0] for group in groups[first : first + LONGEST]])
            if last:
                found.append("card number")
                digits = "".join(group[0] for group in groups[first : first + last])
                kept += [match[0][at : groups[first].start()], f"[card number ending {digits[-4:]}]"]
                at = groups[first + last - 1].end()
            first += last or 1
        return "".join(kept) + match[0][at:]

    def password(match: re.Match[str]) -> str:
        # "my password is rejected" is a complaint; a password has a digit or a sign in it, or stands in quotes.
        if not re.search(r"[\d!@#$%^&*_+=\"']", match[2].rstrip(".,;!?")):
            return match[0]
        found.append("password")
        return f"{match[1]}[removed]"

    text = _AFTER_CARD.sub(r"\1", _DIGITS.sub(card, text))
    text = _PASSWORD.sub(password, text)
    return text, tuple(dict.fromkeys(found))


def _end_of_card(groups: list[str]) -> int:
    """How many of these groups, from the first on, are one card number; 0 if none are."""
    for last in range(len(groups), 0, -1):
        if SHORTEST <= sum(map(len, groups[:last])) <= LONGEST and luhn("".join(groups[:last])):
            return last
    return 0


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1
