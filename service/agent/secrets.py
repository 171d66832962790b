"""Card numbers and passwords that customers send by mistake: found, named and blacked out (pure)."""

import re

_CARD = re.compile(r"(?<![\d.])\d(?:[ \-]?\d){12,18}(?![\d])")
_PASSWORD = re.compile(
    r"\b((?:my |the )?(?:password|passwd|passcode|pin(?: code)?|cvv|cvc)(?: is|:| =|=|\s+is:)\s*)"
    r"(?!wrong|not|too|incorrect|invalid|expired|gone|being|always|never|still|still|the|my|a|in|on|for|at|to|old"
    r"|weak|lost)"
    r"(\S+)",
    re.IGNORECASE,
)


def redact(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without card numbers and passwords, and the names of what was taken out."""
    found: list[str] = []

    def card(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match[0])
        if not (13 <= len(digits) <= 19 and luhn(digits)):
            return match[0]
        found.append("card number")
        return f"[card number ending {digits[-4:]}]"

    def password(match: re.Match[str]) -> str:
        # "my password is rejected" is a complaint; a password has a digit or a sign in it, or stands in quotes.
        if not re.search(r"[\d!@#$%^&*_+=\"']", match[2].rstrip(".,;!?")):
            return match[0]
        found.append("password")
        return f"{match[1]}[removed]"

    text = _PASSWORD.sub(password, _CARD.sub(card, text))
    return text, tuple(dict.fromkeys(found))


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1
