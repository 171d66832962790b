"""Claude's reply as a draft: each sentence with the passages it cites, and what they do not hold is cut (pure)."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from knowledge.passage import Passage
from service.agent.claims import Support, unsupported
from service.agent.evidence import Draft, Quoted, check
from service.agent.layout import dangles
from service.agent.request import Block, source, split
from service.agent.terms import content

KIND = "claude"
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\s*\n+\s*")
_MARK = re.compile(r"^(?:(?P<item>\d{1,2})[.)]|[-*•])\s+")


# --- the reply, as far as it is read: validated by schema, and what else is in it ignored ----------------------------


class Read(BaseModel):
    """What the API sends, as far as it is read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Citation(Read):
    """Blocks [start_block_index, end_block_index) of one search result."""

    type: str
    source: str = ""
    search_result_index: int = -1
    start_block_index: int = 0
    end_block_index: int = 0
    cited_text: str = ""


class TextBlock(Read):
    type: Literal["text"]
    text: str
    citations: list[Citation] | None = None


class ToolUse(Read):
    type: Literal["tool_use"]
    name: str
    input: dict[str, Any] = Field(default_factory=dict)


class OtherBlock(Read):
    """Thinking, and whatever is invented after this version."""

    type: str


class Tokens(Read):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = 0
    cache_creation_input_tokens: int | None = 0


class StopDetails(Read):
    category: str | None = None


def _tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("text", "tool_use") else "other"


Content = Annotated[
    Annotated[TextBlock, Tag("text")] | Annotated[ToolUse, Tag("tool_use")] | Annotated[OtherBlock, Tag("other")],
    Discriminator(_tag),
]


class Reply(Read):
    """A message of the Messages API. `stop_reason` may be one that is unknown here."""

    type: Literal["message"]
    model: str
    content: list[Content]
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: Tokens


# --- from the reply to the draft --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """A sentence that is not sent, and why."""

    text: str
    why: str


@dataclass(frozen=True)
class _Cited:
    """A block that a sentence cites."""

    passage: int
    block: Block


def draft_of(reply: Reply, passages: Sequence[Passage], *, names: Collection[str] = ()) -> tuple[Draft, list[Cut]]:
    """The sentences that hold, and those that were cut. `names` need no passage: the company's."""
    texts = [block for block in reply.content if isinstance(block, TextBlock)]
    blocks = [split(passage) for passage in passages]
    cited = [_resolve(block.citations or [], passages, blocks) for block in texts]
    sentences: list[tuple[Quoted, str | None]] = []
    for sentence, pieces in _sentences(texts):
        text, item = _unmarked(sentence)
        if not text:
            continue
        leans_on = list(dict.fromkeys(each for number, _ in pieces for each in cited[number]))
        loose = " ".join(piece for number, piece in pieces if not cited[number])
        why = _why_not(text, _unmarked(loose)[0], leans_on, passages, names)
        words = tuple((each.passage, part) for each in leans_on for part in each.block.sentences)
        quoted = Quoted(text, leans_on[0].passage if leans_on else -1, item, cited=words)
        # The same last gate that quoted sentences pass: what was cited stands in the passage.
        if why is None and check(Draft(KIND, (quoted,), {}), passages)[1]:
            why = "its passage does not hold what it cites"
        sentences.append((quoted, why))
    kept, cut = standing(sentences)
    return Draft(KIND, tuple(kept), {}), cut


def standing(sentences: Sequence[tuple[Quoted, str | None]]) -> tuple[list[Quoted], list[Cut]]:
    """Those that stay and those that are cut, given in order, each with why it must go (None: for no reason so far).

    What leans on one that goes, goes with it; steps go together: with one missing they are worse than none.
    """
    whys = [why for _, why in sentences]
    seen = None
    while whys != seen:  # each round only adds
        seen = list(whys)
        step_was_cut = any(why and each.item for (each, _), why in zip(sentences, whys, strict=True))
        for place, (each, _) in enumerate(sentences):
            if whys[place]:
                continue
            if each.item and step_was_cut:
                whys[place] = "another step was cut"
            elif place and whys[place - 1] and dangles(each.text):
                whys[place] = "it leans on a sentence that was cut"
            elif each.text.endswith(":") and (
                all(whys[place + 1 :]) or (sentences[place + 1][0].item and whys[place + 1])
            ):
                whys[place] = "what it leads to was cut"
    both = list(zip((each for each, _ in sentences), whys, strict=True))
    return [each for each, why in both if not why], [Cut(each.text, why) for each, why in both if why]


def _why_not(
    text: str, loose: str, leans_on: Sequence[_Cited], passages: Sequence[Passage], names: Collection[str]
) -> str | None:
    if not leans_on:
        return "no citation"
    around = "\n".join(f"{passages[each.passage].title}\n{each.block.heading}" for each in leans_on)
    own = tuple(sentence for each in leans_on for sentence in each.block.sentences)
    support = Support("\n".join(each.block.text for each in leans_on), around, own)
    if set(content(loose)) - set(content(support.whole)):
        return "a part of it has no citation"
    return unsupported(text, support, names=names)


def _resolve(
    citations: Sequence[Citation], passages: Sequence[Passage], blocks: Sequence[Sequence[Block]]
) -> list[_Cited]:
    """The blocks that are cited. A citation that names what was not sent, or other words, counts for nothing."""
    found: list[_Cited] = []
    for each in citations:
        if each.type != "search_result_location" or not 0 <= each.search_result_index < len(passages):
            continue
        own = blocks[each.search_result_index]
        if each.source != source(passages[each.search_result_index]):
            continue
        if not 0 <= each.start_block_index < each.end_block_index <= len(own):
            continue
        chosen = own[each.start_block_index : each.end_block_index]
        if _letters(each.cited_text) != _letters("".join(block.text for block in chosen)):
            continue
        found += [_Cited(each.search_result_index, block) for block in chosen]
    return found


def _letters(text: str) -> str:
    return "".join(re.findall(r"[^\W_]+", text.casefold()))


def _sentences(texts: Sequence[TextBlock]) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Each sentence with its pieces: (place of the text block, the part of the sentence in it), those with words."""
    whole = "".join(block.text for block in texts)
    bounds: list[tuple[int, int]] = []
    at = 0
    for block in texts:
        bounds.append((at, at + len(block.text)))
        at += len(block.text)
    for start, end in _spans(whole):
        pieces = [(number, whole[max(start, a) : min(end, b)]) for number, (a, b) in enumerate(bounds)]
        yield whole[start:end], [(number, piece) for number, piece in pieces if _letters(piece)]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where sentences begin and end. The number of a step ends none."""
    start = 0
    for match in _END.finditer(text):
        if "\n" not in match[0] and re.fullmatch(r"\s*\d{1,2}\.", text[start : match.start()]):
            continue
        end = match.start() + len(match[0].rstrip())
        if text[start:end].strip():
            yield start, end
        start = match.end()
    if text[start:].strip():
        yield start, len(text)


def _unmarked(sentence: str) -> tuple[str, int]:
    """A sentence without the mark of a list before it, and its number there."""
    text = sentence.strip()
    mark = _MARK.match(text)
    return (text[mark.end() :].strip(), int(mark["item"] or 0)) if mark else (text, 0)
