"""The <style> rules of a mail, as far as simple selectors go: `p`, `.x`, `#x`, `div.x .y`."""

import re
from collections import defaultdict

from channels.email.css import MOST_CSS, MOST_RULES, WIDTH, declarations, uncommented

MOST_CHECKS = 300_000  # of whether a rule is for an element: half a second's work
# What can make words unseen or seen again; rules with nothing of these are not kept.
MATTERS = re.compile(
    r"display|visibility|opacity|font|color|background|height|width|overflow|position|clip|transform|filter|indent|margin"
    r"|white-space|left|top"
)
SIMPLE = re.compile(r"([a-z][a-z0-9]*|\*)?((?:[.#][\w-]+)*)", re.IGNORECASE)

Compound = tuple[str, frozenset[str]]  # a tag or "", and its .classes and #ids
Rule = tuple[tuple[int, int, int], int, list[Compound], dict[str, str]]


class Sheet:
    """Which declarations apply to an element. `marks` of an element: its classes as `.x`, its id as `#x`."""

    def __init__(self, texts: list[str]) -> None:
        self._rules: defaultdict[str, list[Rule]] = defaultdict(list)
        self.checks = MOST_CHECKS
        text = re.sub(r"<!--|-->", "", uncommented("\n".join(texts)[:MOST_CSS]))
        for number, (selectors, block) in enumerate(_blocks(text)[:MOST_RULES]):
            style = {name: value for name, value in declarations(block).items() if MATTERS.search(name)}
            if not style:
                continue
            for selector in selectors.split(",")[:50]:
                if rule := _rule(selector.strip(), number, style):
                    tag, marks = rule[2][-1]
                    self._rules[min(marks, default=tag)].append(rule)

    def style(self, path: list[Compound]) -> dict[str, str]:
        """For the last of `path`, the elements from the root down."""
        tag, marks = path[-1]
        asked = [rule for key in {"", tag, *marks} for rule in self._rules.get(key, ())]
        self.checks -= len(asked)
        found = [rule for rule in asked if _fits(rule[2], path)] if self.checks > 0 else []
        merged: dict[str, str] = {}
        for _, _, _, style in sorted(found, key=lambda rule: rule[:2]):
            for name, value in style.items():
                if not merged.get(name, "").endswith("!important") or value.endswith("!important"):
                    merged[name] = value
        return merged

    def __bool__(self) -> bool:
        return bool(self._rules)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Selectors and their declarations; those within @media only where it is for the window a mail is read in."""
    found: list[tuple[str, str]] = []
    depth, skipped = 0, 0  # blocks that are open, and at which depth one began that does not count
    pieces = re.split(r"([{}])", text)
    for before, bracket in zip(map(str.strip, pieces[::2]), pieces[1::2], strict=False):
        if bracket == "{":
            depth += 1
            rule = before.rpartition(";")[2].strip()
            if rule.startswith("@") and not skipped and not (len(rule) < 500 and _applies(rule.lower())):
                skipped = depth
            elif not rule.startswith("@") and not skipped:
                found.append((rule.lower() if len(rule) < 2_000 else "", ""))
        else:
            if found and not skipped and not found[-1][1]:
                found[-1] = (found[-1][0], before)
            skipped = 0 if skipped == depth else skipped
            depth = max(0, depth - 1)
    return found


def _applies(rule: str) -> bool:
    if not rule.startswith("@media"):
        return rule.startswith(("@supports", "@layer"))
    asked = rule.removeprefix("@media")
    if "print" in asked or "not " in asked or "," in asked:
        return False
    for name, value in re.findall(r"\(\s*([\w-]+)\s*(?::\s*([\w.-]+))?[^)]*\)", asked):
        width = re.match(r"(\d{1,6})px", value)
        fits = (name == "min-width" and width and float(width.group(1)) <= WIDTH) or (
            name == "max-width" and width and float(width.group(1)) >= WIDTH
        )
        if not fits and (name, value) != ("prefers-color-scheme", "light"):
            return False
    return True


def _rule(selector: str, number: int, style: dict[str, str]) -> Rule | None:
    compounds: list[Compound] = []
    for each in selector.replace(">", " ").split()[:10]:
        found = SIMPLE.fullmatch(each)
        if not found:
            return None  # an attribute, a state, a neighbour: not told apart here
        tag = "" if found.group(1) in (None, "*") else found.group(1)
        compounds.append((tag, frozenset(re.findall(r"[.#][\w-]+", found.group(2)))))
    if not compounds:
        return None
    marks = [mark for _, some in compounds for mark in some]
    weight = (
        sum(mark[0] == "#" for mark in marks),
        sum(mark[0] == "." for mark in marks),
        sum(bool(t) for t, _ in compounds),
    )
    return weight, number, compounds, style


def _fits(compounds: list[Compound], path: list[Compound]) -> bool:
    if not _is(compounds[-1], path[-1]):
        return False
    left = len(compounds) - 2
    for element in reversed(path[-100:-1]):
        if left < 0:
            return True
        left -= _is(compounds[left], element)
    return left < 0


def _is(compound: Compound, element: Compound) -> bool:
    return compound[0] in ("", element[0]) and compound[1] <= element[1]
