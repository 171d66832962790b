"""How often durable work is begun again, and when."""

import random

#: Work that was begun this often and never ended takes its process down, or cannot be done: a person looks at it.
MOST_ATTEMPTS = 6


class NotYet(Exception):
    """A job could not do all of it now: what is in the way, and how many seconds until it should come again."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


def backoff(attempts: int, longest: float = 600.0) -> float:
    """Seconds before the next try: 1, 2, 4 ... at most `longest`, each by chance between half of it and all."""
    return min(2.0 ** (attempts - 1), longest) * random.uniform(0.5, 1.0)
