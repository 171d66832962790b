"""What Claude is sent: the prompt, the passages as search results, and strangers' words in a fence (pure)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.passage import Passage
from service.agent.layout import dangles, lay_out
from service.agent.secrets import redact

PROMPT = Path(__file__).with_name("prompts") / "answer.md"
#: Characters of one earlier message that are sent.
MOST_OF_EARLIER = 1000
HAND_OVER = "hand_over"
TOOLS: list[dict[str, Any]] = [
    {
        "name": HAND_OVER,
        "description": "Leave it to a person: the passages do not answer it, or somebody must look at the case.",
        "input_schema": {
            "type": "object",
            "properties": {"reason": {"type": "string", "description": "Why, in one short sentence for the staff."}},
            "required": ["reason"],
        },
    }
]
#: Besides what ends a line or opens a tag, what some readers take for the end of a line.
_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u0085\u2028\u2029"}


@dataclass(frozen=True)
class Block:
    """The smallest piece of a passage that can be cited: a sentence with those that lean on it."""

    text: str
    sentences: tuple[str, ...]
    heading: str


def read_prompt() -> str:
    """What Claude is told, with {company} to be filled in."""
    return PROMPT.read_text(encoding="utf-8")


def prompt_version(prompt: str) -> str:
    """Which prompt it is: it changes with every change of the file."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:12]


def split(passage: Passage) -> tuple[Block, ...]:
    """The blocks of a passage, in order."""
    laid = lay_out(passage)
    groups: list[tuple[str, list[str]]] = []
    for text, heading in zip(laid.sentences, laid.headings, strict=True):
        if groups and groups[-1][0] == heading and dangles(text):
            groups[-1][1].append(text)
        else:
            groups.append((heading, [text]))
    if not groups:
        return (Block(passage.text, (passage.text,), passage.heading),)
    blocks: list[Block] = []
    above = passage.heading
    for heading, sentences in groups:
        # A heading within the passage tells what the sentences below it are about.
        lead = f"{heading}: " if heading and heading != above else ""
        above = heading
        blocks.append(Block(lead + " ".join(sentences), tuple(sentences), heading))
    return tuple(blocks)


def source(passage: Passage) -> str:
    """The name of a passage in citations."""
    return f"{passage.slug}@{passage.version}#{passage.chunk_id}"


def body(
    question: str,
    history: Sequence[tuple[str, str]],
    passages: Sequence[Passage],
    *,
    prompt: str,
    company: str,
    model: str,
    max_tokens: int,
) -> dict[str, Any]:
    """The parameters of the call. What is the same for every message comes first, so that it can be cached."""
    results = [
        {
            "type": "search_result",
            "source": source(passage),
            "title": f"{passage.title}: {passage.heading}" if passage.heading else passage.title,
            "content": [{"type": "text", "text": block.text} for block in split(passage)],
            "citations": {"enabled": True},
        }
        for passage in passages
    ]
    system = prompt.replace("{company}", company)
    return {
        "model": model,
        "max_tokens": max_tokens,
        "tools": TOOLS,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [*results, {"type": "text", "text": fence(question, history)}]}],
    }


def fence(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The conversation between two tags that nothing inside it can write: one JSON object a line, without < or >."""
    said = [(author, redact(text)[0][:MOST_OF_EARLIER]) for author, text in history]
    lines = [
        json.dumps({"from": author, "text": text}, ensure_ascii=False).translate(_ESCAPES)
        for author, text in (*said, ("customer", question))
    ]
    return "\n".join(("<conversation>", *lines, "</conversation>"))
