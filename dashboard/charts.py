"""Charts by day as SVG: bars on top of each other and lines, on one axis whose unit is written at every tick (pure).

Across, everything is in percent and so fits any width; upwards it is in pixels, so that words keep their size.
"""

import math
from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from dashboard.words import amount
from service.measured import Column

#: Pixels: above the highest tick, of the plot itself, and below it for the days.
TOP, PLOT, FOOT = 8, 132, 24
#: How many ticks at most lie above 0, and how many days are named at most.
MOST_TICKS, MOST_NAMES = 4, 5
#: A bar takes this part of its day's width, and never more than MOST_BAR percent of the chart.
BAR, MOST_BAR = 0.72, 8.0
#: Up to so many days each point of a line gets a dot.
MOST_DOTS = 31
#: Steps that people think in, of a length of time: seconds, minutes, hours, days.
STEPS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(minutes * 60.0 for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * 3600.0 for hours in (1, 2, 3, 6, 12)),
    *(days * 86400.0 for days in (1, 2, 5, 10, 20, 50, 100)),
)


def ticks(most: float, unit: str) -> list[float]:
    """The values to draw lines at, from 0 to the first that is not below `most`."""
    if unit == "share":
        return [0.0, 0.5, 1.0]
    step = _step(most / MOST_TICKS, unit)
    count = max(1, math.ceil(round(most / step, 9)))
    return [round(step * number, 9) for number in range(count + 1)]


def _step(least: float, unit: str) -> float:
    """The smallest round number that is not below `least`."""
    if least <= 0:
        return {"seconds": 1.0, "usd": 0.01}.get(unit, 1.0)
    if unit == "seconds" and least <= STEPS[-1]:
        return next(step for step in STEPS if step >= least)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
    return max(step, 1.0) if unit == "count" else step


def draw(name: str, title: str, days: Sequence[date], columns: Sequence[Column]) -> Markup:
    """The columns that are to be drawn, all of one unit. `name` makes the ids of the page unique."""
    drawn = [column for column in columns if column.drawn]
    unit = drawn[0].unit
    assert all(column.unit == unit for column in drawn)
    lines = ticks(_highest(drawn), unit)
    shapes = [
        *(_tick(value, lines[-1], unit) for value in lines),
        *_names(days),
        *_bars(drawn, lines[-1]),
        *(shape for place, column in enumerate(drawn, 1) for shape in _line(place, column, lines[-1])),
        *(_day(number, len(days), day, drawn) for number, day in enumerate(days)),
    ]
    return Markup(
        '<svg class="chart" role="img" aria-labelledby="{name}-chart {name}-about" height="{height}">'
        '<title id="{name}-chart">{title}</title><desc id="{name}-about">{about}</desc>{shapes}</svg>'
    ).format(
        name=name,
        height=TOP + PLOT + FOOT,
        title=f"{title}: {' and '.join(column.name for column in drawn)} by day",
        about=f"{_full(days[0])} to {_full(days[-1])}. The table below it has the same numbers.",
        shapes=Markup("").join(shapes),
    )


def share_bar(part: float, of: float) -> Markup:
    """A bar as long as a part of the whole; the number stands beside it in words."""
    bar = Markup('<svg class="share" aria-hidden="true" height="4"><rect width="{}%" height="4" rx="1"/></svg>')
    return bar.format(_short(100 * part / of if of else 0.0))


def _highest(drawn: Sequence[Column]) -> float:
    """The highest point of a line or of bars on top of each other."""
    bars = [column.values for column in drawn if column.drawn == "bar"]
    stacks = [sum(value or 0.0 for value in values) for values in zip(*bars, strict=True)]
    points = [value for column in drawn if column.drawn == "line" for value in column.values if value is not None]
    return max((*stacks, *points), default=0.0)


def _y(value: float, most: float) -> float:
    return TOP + PLOT * (1 - value / most)


def _x(number: int, of: int) -> float:
    """The middle of a day, in percent."""
    return 100 * (number + 0.5) / of


def _short(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _full(day: date) -> str:
    return day.strftime("%-d %B %Y")


def _tick(value: float, most: float, unit: str) -> Markup:
    return Markup(
        '<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        '<text class="tick" x="-8" y="{y}" dy="0.32em" text-anchor="end">{words}</text>'
    ).format(y=_short(_y(value, most)), words=amount(value, unit))


def _names(days: Sequence[date]) -> list[Markup]:
    """Some of the days, by name, at even distances."""
    step = math.ceil(len(days) / MOST_NAMES)
    return [
        Markup('<text class="tick" x="{x}%" y="{y}" text-anchor="middle">{words}</text>').format(
            x=_short(_x(number, len(days))), y=TOP + PLOT + 18, words=day.strftime("%-d %b")
        )
        for number, day in enumerate(days)
        if number % step == 0
    ]


def _bars(drawn: Sequence[Column], most: float) -> list[Markup]:
    shapes, heights = list[Markup](), [0.0] * len(drawn[0].values)
    width = min(100 / len(heights) * BAR, MOST_BAR)
    for place, column in enumerate(drawn, 1):
        if column.drawn != "bar":
            continue
        for number, value in enumerate(column.values):
            if not value:
                continue
            top, bottom = _y(heights[number] + value, most), _y(heights[number], most)
            heights[number] += value
            shapes.append(
                Markup('<rect class="pile c{place}" x="{x}%" y="{y}" width="{width}%" height="{height}"/>').format(
                    place=place,
                    x=_short(_x(number, len(heights)) - width / 2),
                    y=_short(top),
                    width=_short(width),
                    height=_short(bottom - top),
                )
            )
    return shapes


def _line(place: int, column: Column, most: float) -> list[Markup]:
    """A line that breaks where a day has no value; what stands alone is a dot."""
    if column.drawn != "line":
        return []
    values, count = column.values, len(column.values)
    points = {
        number: (_short(_x(number, count)), _short(_y(value, most)))
        for number, value in enumerate(values)
        if value is not None
    }
    shapes = [
        Markup('<line class="line c{}" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(place, *points[number], *after)
        for number in points
        if (after := points.get(number + 1))
    ]
    shapes += [
        Markup('<circle class="dot c{}" cx="{}%" cy="{}" r="2.5"/>').format(place, *point)
        for number, point in points.items()
        if count <= MOST_DOTS or not {number - 1, number + 1} & points.keys()
    ]
    return shapes


def _day(number: int, of: int, day: date, drawn: Sequence[Column]) -> Markup:
    """What the pointer finds over a day: its numbers."""
    numbers = ", ".join(f"{column.name} {amount(column.values[number], column.unit)}" for column in drawn)
    return Markup(
        '<rect class="day" x="{x}%" y="{top}" width="{width}%" height="{plot}"><title>{words}</title></rect>'
    ).format(
        x=_short(100 * number / of),
        top=TOP,
        width=_short(100 / of),
        plot=PLOT,
        words=f"{day.strftime('%a %-d %b %Y')}: {numbers}",
    )
