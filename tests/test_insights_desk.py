"""The page of figures: what may be asked for, what it says when it cannot, and the same numbers for a program."""

import re
from datetime import date
from typing import Any

import pytest

from service.insights import FIGURES
from tests.desk_kit import Browser, Desk
from tests.past_kit import at, write_three_days

pytestmark = pytest.mark.anyio

MONDAY = date(2026, 11, 2)
PERIOD = "from=2026-11-02&to=2026-11-04"


@pytest.fixture
async def ana(db: Any) -> Browser:
    desk = Desk(db)
    desk.now = at(date(2026, 11, 4), "12:00:00")
    staff = [await desk.make_staff(name) for name in ("Ana", "Bo")]
    await write_three_days(db, MONDAY, (staff[0].id, staff[1].id))
    return await desk.signed_in(staff[0])


async def test_the_page_has_every_figure_with_its_definition_chart_and_table(ana: Browser) -> None:
    page = (await ana.get(f"/desk/figures?{PERIOD}")).text
    for figure in FIGURES:
        assert f'id="{figure.name}"' in page
        assert figure.title in page
    assert page.count('role="img"') == page.count("by day</title>") == len(FIGURES)
    for said in ("42.9 %", "of 7 decisions were answers that were sent", "95 % interval: 9.5 % to 90.5 %", "$0.045"):
        assert said in page
    assert "not a random sample" in page
    assert not re.search(r"\bnan\b|None|style=", page)


async def test_the_same_numbers_are_there_for_a_program(ana: Browser) -> None:
    found = (await ana.get(f"/desk/figures.json?{PERIOD}")).json()
    assert found["days"] == ["2026-11-02", "2026-11-03", "2026-11-04"]
    assert list(found["figures"]) == [figure.name for figure in FIGURES]
    assert found["figures"]["volume"]["columns"][0]["values"] == [4, 4, 2]
    assert found["figures"]["volume"]["definition"] == FIGURES[0].definition


async def test_a_channel_and_a_topic_stay_in_the_address_of_other_periods(ana: Browser) -> None:
    page = (await ana.get(f"/desk/figures?{PERIOD}&channel=post&topic=Returns")).text
    assert "/desk/figures?days=7&amp;channel=post&amp;topic=Returns" in page
    assert '<option value="post" selected>' in page
    assert "<option selected>Returns</option>" in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("from=yesterday", "Write a day like 2026-11-04."),
        ("to=0000-01-01", "Write a day like 2026-11-04."),
        ("to=0001-01-02", "Write a day like 2026-11-04."),
        ("from=2026-11-04&to=2026-11-02", "The first day must not be after the last one."),
        ("from=2024-01-01&to=2026-01-01", "Choose at most 366 days."),
    ],
)
async def test_days_that_cannot_be_are_said_so_and_the_usual_ones_are_shown(
    ana: Browser, asked: str, said: str
) -> None:
    answer = await ana.get(f"/desk/figures?{asked}")
    assert answer.status_code == 200
    assert f"{said} These are the last 30 days." in answer.text
    assert "6 October 2026 to 4 November 2026" in answer.text
    refused = await ana.get(f"/desk/figures.json?{asked}")
    assert refused.status_code == 400
    assert said in refused.json()["error"]


@pytest.mark.parametrize(
    "asked", ["", "days=7", "days=90", "days=x", "from=9999-12-31&to=9999-12-31", "from=0001-01-01&to=0001-01-01"]
)
async def test_any_day_of_the_calendar_can_be_asked_for(ana: Browser, asked: str) -> None:
    answer = await ana.get(f"/desk/figures?{asked}&channel=%00&topic=%27")
    assert answer.status_code == 200
    assert "No customer has written in this period." in answer.text
