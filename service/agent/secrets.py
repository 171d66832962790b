"""Card numbers and passwords that customers send by mistake: found, named and blacked out (pure)."""

import re

#: Groups of digits as people write them: apart by a space of any width, a dot or a dash.
_DIGITS = re.compile(r"\d(?:[ \u00a0\u202f.\-]?\d){12,}")
#: What is commonly sent right after the number: the month it ends, the check value.
_AFTER_CARD = re.compile(r"(\[card number ending \d{4}\])(?:[ ,;\u00a0]*(?:\d{2} ?/ ?\d{2,4}|\d{3,4})\b){1,2}")
_PASSWORD = re.compile(
    r"\b((?:my |the )?(?:password|passwd|passcode|pin(?: code)?|cvv|cvc)\s*(?:is\s*:?|:|=)\s*)"
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
        for first in range(len(groups)):
            for last in range(len(groups), first, -1):
                digits = "".join(group[0] for group in groups[first:last])
                if 13 <= len(digits) <= 19 and luhn(digits):
                    found.append("card number")
                    name = f"[card number ending {digits[-4:]}]"
                    return match[0][: groups[first].start()] + name + match[0][groups[last - 1].end() :]
        return match[0]

    def password(match: re.Match[str]) -> str:
        # "my password is rejected" is a complaint; a password has a digit or a sign in it, or stands in quotes.
        if not re.search(r"[\d!@#$%^&*_+=\"']", match[2].rstrip(".,;!?")):
            return match[0]
        found.append("password")
        return f"{match[1]}[removed]"

    text = _AFTER_CARD.sub(r"\1", _DIGITS.sub(card, text))
    text = _PASSWORD.sub(password, text)
    return text, tuple(dict.fromkeys(found))


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1
