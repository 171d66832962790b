"""Articles that differ in one word of their titles (two countries, two products): is it the right one? (pure)"""

from collections.abc import Sequence
from itertools import pairwise

from knowledge.passage import Passage
from service.agent.terms import content


class Siblings:
    """Who is a sibling of whom comes from the titles of what was found; nothing is listed by hand."""

    def __init__(self, asked: Sequence[str], passages: Sequence[Passage]) -> None:
        self._asked = set(asked) | {first + second for first, second in pairwise(asked)}
        self._titles = {passage.slug: frozenset(content(passage.title)) for passage in passages}

    def judge(self, passage: Passage, stems: set[str]) -> tuple[float, float]:
        """(conflict, extra) of a sentence with these stems, each 0..1.

        conflict: the question names what tells a sibling's title from this one's, and neither this title nor the
        sentence mentions it. extra: this title has words that a sibling does without and the question does not name.
        """
        own = self._titles[passage.slug]
        conflict = extra = 0.0
        for slug, title in self._titles.items():
            if slug == passage.slug or not own & title:
                continue
            theirs = (title - own) & self._asked
            if theirs and not theirs & stems:
                # Sharing more of the title makes it more of a sibling.
                conflict = max(conflict, len(own & title) / len(own | title) if own | title else 0.0, 0.5)
            if not (own - title) & self._asked and own - title and title <= own:
                extra = 1.0
        return conflict, extra
