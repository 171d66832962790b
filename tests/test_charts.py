"""A chart says what its table says: bars and lines as high as their numbers, ticks that people think in."""

import re
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from dashboard.charts import PLOT, TOP, draw, share_bar, ticks
from dashboard.words import amount
from service.measured import Column

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*columns: Column) -> ElementTree.Element:
    days = [date(2026, 10, 30) + timedelta(number) for number in range(len(columns[0].values))]
    svg = str(draw("volume", "Volume", days, columns))
    assert not re.search(r"nan|inf|None|style=", svg)
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def shapes(svg: ElementTree.Element, kind: str, name: str) -> list[dict[str, Any]]:
    found = [each.attrib for each in svg.iter(SVG + kind) if name in each.get("class", "").split()]
    return [{key: float(value.rstrip("%")) for key, value in each.items() if key != "class"} for each in found]


def test_bars_stand_on_each_other_as_high_as_their_numbers() -> None:
    svg = drawn(Column("right", "count", [4, 0, 1], "bar"), Column("wrong", "count", [2, 3, None], "bar"))
    first, second = shapes(svg, "rect", "c1"), shapes(svg, "rect", "c2")
    top = ticks(6, "count")[-1]
    assert [bar["height"] for bar in first] == pytest.approx([PLOT * 4 / top, PLOT * 1 / top], abs=0.01)
    assert [bar["height"] for bar in second] == pytest.approx([PLOT * 2 / top, PLOT * 3 / top], abs=0.01)
    assert first[0]["y"] + first[0]["height"] == pytest.approx(TOP + PLOT, abs=0.01)
    assert second[0]["y"] + second[0]["height"] == pytest.approx(first[0]["y"], abs=0.01)
    assert second[1]["y"] + second[1]["height"] == pytest.approx(TOP + PLOT, abs=0.01)
    assert first[0]["x"] < second[1]["x"] < first[1]["x"]
    assert all(bar["x"] >= 0 and bar["x"] + bar["width"] <= 100 for bar in first + second)


def test_a_line_breaks_where_there_is_no_number_and_a_lonely_one_is_a_dot() -> None:
    svg = drawn(Column("median", "seconds", [1.0, 2.0, None, 4.0, None], "line"))
    lines, dots = shapes(svg, "line", "line"), shapes(svg, "circle", "dot")
    assert len(lines) == 1
    assert len(dots) == 3
    assert lines[0]["y1"] - lines[0]["y2"] == pytest.approx(PLOT * 1 / ticks(4, "seconds")[-1], abs=0.01)
    assert dots[2]["cy"] == pytest.approx(TOP + PLOT * (1 - 4 / ticks(4, "seconds")[-1]), abs=0.01)
    many = drawn(Column("median", "seconds", [1.0, 2.0, None, 4.0, None] * 10, "line"))
    assert len(shapes(many, "circle", "dot")) == 10


def test_the_pointer_finds_the_numbers_of_the_table() -> None:
    columns = (Column("cost", "usd", [0.5, None], "bar"), Column("messages", "count", [3, 4]))
    said = [each.text for each in drawn(*columns).iter(SVG + "title")]
    assert said == ["Volume: cost by day", "Fri 30 Oct 2026: cost $0.50", "Sat 31 Oct 2026: cost –"]


@pytest.mark.parametrize("values", [[0.0], [None], [0.0, None, 0.0], [7.0], [0.0] * 366, [1e-7], [3e9, 1.0]])
@pytest.mark.parametrize("kind", ["bar", "line"])
@pytest.mark.parametrize("unit", ["count", "seconds", "usd", "share"])
def test_little_nothing_and_very_much_are_drawn_too(values: list[float | None], kind: str, unit: str) -> None:
    if unit == "share":
        values = [None if value is None else min(value, 1.0) for value in values]
    svg = drawn(Column("it", unit, values, kind))
    inside = [bar["y"] for bar in shapes(svg, "rect", "pile")] + [dot["cy"] for dot in shapes(svg, "circle", "dot")]
    assert all(TOP - 0.01 <= y <= TOP + PLOT + 0.01 for y in inside)
    assert len(shapes(svg, "rect", "day")) == len(values)
    names = [each.text for each in svg.iter(SVG + "text")]
    assert 3 <= len(names) <= 11
    if kind == "bar":
        assert len(shapes(svg, "rect", "pile")) == sum(bool(value) for value in values)


@pytest.mark.parametrize(
    ("most", "unit", "expected"),
    [
        (0, "count", [0, 1]),
        (1, "count", [0, 1]),
        (3, "count", [0, 1, 2, 3]),
        (41, "count", [0, 20, 40, 60]),
        (1000, "count", [0, 500, 1000]),
        (0.2, "share", [0, 0.5, 1]),
        (0, "seconds", [0, 1]),
        (9, "seconds", [0, 5, 10]),
        (100, "seconds", [0, 30, 60, 90, 120]),
        (7000, "seconds", [0, 1800, 3600, 5400, 7200]),
        (0.018, "usd", [0, 0.005, 0.01, 0.015, 0.02]),
        (0.3, "usd", [0, 0.1, 0.2, 0.3]),
    ],
)
def test_ticks_are_round_begin_at_nothing_and_reach_the_highest(most: float, unit: str, expected: list[float]) -> None:
    assert ticks(most, unit) == expected


def test_what_a_chart_is_called_cannot_break_out_of_it() -> None:
    svg = draw("a", "<script>", [date(2026, 1, 1)], [Column('"><b>', "count", [1], "bar")])
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert '"Volume"' not in svg


def test_a_share_is_as_long_as_its_part() -> None:
    assert 'width="25%"' in share_bar(1, 4)
    assert 'width="0%"' in share_bar(0, 0)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "count", "–"),
        (1234, "count", "1,234"),
        (0.4338, "share", "43.4 %"),
        (1, "share", "100 %"),
        (0.25, "seconds", "0.2 s"),
        (3.0, "seconds", "3 s"),
        (59.4, "seconds", "59 s"),
        (59.6, "seconds", "1 min"),
        (404, "seconds", "6 min 44 s"),
        (5400, "seconds", "1 h 30 min"),
        (86400 * 2 + 3600, "seconds", "2 d 1 h"),
        (0, "usd", "$0"),
        (0.000485, "usd", "$0.000485"),
        (0.015, "usd", "$0.015"),
        (0.3231, "usd", "$0.323"),
        (0.5, "usd", "$0.50"),
        (1234.5, "usd", "$1,234.50"),
    ],
)
def test_a_number_is_said_with_its_unit(value: float | None, unit: str, said: str) -> None:
    assert amount(value, unit) == said
