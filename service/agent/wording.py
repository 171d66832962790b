"""Drafts as the customer reads them (pure)."""

from collections.abc import Sequence

from service.agent.evidence import Draft
from service.agent.terms import words


def render(drafts: Sequence[Draft]) -> str:
    """The drafts as the customer reads them: paragraphs, lists as lists, never the same sentence twice."""
    told: set[str] = set()
    paragraphs: list[str] = []
    for each in drafts:
        lines: list[str] = []
        for before, quoted in zip((None, *each.sentences), each.sentences, strict=False):
            if quoted.text in told:
                continue
            told.add(quoted.text)
            if quoted.item:
                lines.append(f"{quoted.item}. {quoted.text}")
            elif (before is not None and before.text.endswith(":")) or (lines and lines[-1].startswith("- ")):
                lines.append(f"- {quoted.text}")
            elif lines and not lines[-1].endswith(":"):
                lines[-1] = f"{lines[-1]} {_ended(quoted.text)}"
            else:
                lines.append(_ended(quoted.text))
        if each.more_steps and lines:
            lines.append(
                f"The article has the other {each.more_steps} steps."
                if each.more_steps > 1
                else "The article has the last step."
            )
        if lines:
            paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _ended(text: str) -> str:
    """A sentence ends like one, even if it was a row of a table or a line without a stop."""
    return text if words(text) and text[-1] in ".!?:…\"')”" else f"{text.rstrip(' ,;')}."
