"""How often durable work is begun again, and when."""

import random

#: Work that was begun this often and never ended takes its process down, or cannot be done: a person looks at it.
MOST_ATTEMPTS = 6


def backoff(attempts: int, longest: float = 600.0) -> float:
    """Seconds before the next try: 1, 2, 4 ... at most `longest`, each by chance between half of it and all."""
    return min(2.0 ** (attempts - 1), longest) * random.uniform(0.5, 1.0)
