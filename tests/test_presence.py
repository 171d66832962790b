"""Who else has an article open is told before anybody saves, across processes, and for as long as it is true."""

import re
import uuid
from typing import Any

import pytest
from sqlmodel import select

from dashboard import presence
from service import schedule
from service.models import Presence, Staff
from tests.desk_kit import Browser, Desk
from tests.test_articles_desk import plain, write

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(db: Any) -> Desk:
    return Desk(db)


async def editor(desk: Desk, name: str) -> tuple[Staff, Browser]:
    staff = await desk.make_staff(name, "editor")
    return staff, await desk.signed_in(staff)


async def rows(desk: Desk) -> list[Presence]:
    async with desk.db.read() as session:
        return list((await session.exec(select(Presence))).all())


def key() -> str:
    return uuid.uuid4().hex


async def age(desk: Desk, seconds: float) -> None:
    """As if that long had gone by for every page that is open."""
    async with desk.db.write() as session:
        for row in (await session.exec(select(Presence))).all():
            row.since, row.until = row.since - seconds, row.until - seconds


async def test_who_comes_second_is_told_who_has_the_article_open_and_since_when(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    _, ben = await editor(desk, "Ben")
    number = await write(ana)
    assert plain(await ana.post(f"/desk/articles/{number}/here", page=key())) == ""
    told = await ben.post(f"/desk/articles/{number}/here", page=key())
    assert re.match(r"Ana has this article open, since \d\d:\d\d \. Whoever saves second", plain(told))
    assert "Ben has this article open" in plain(await ana.post(f"/desk/articles/{number}/here", page=key()))
    other = await write(ana, title="Another")
    assert plain(await ben.post(f"/desk/articles/{other}/here", page=key())) == "", "another article is another matter"


async def test_another_process_knows_it_too(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    ben, _ = await editor(desk, "Ben")
    number = await write(ana)
    await ana.post(f"/desk/articles/{number}/here", page=key())
    elsewhere = Desk(desk.db)
    told = await (await elsewhere.signed_in(ben)).post(f"/desk/articles/{number}/here", page=key())
    assert "Ana has this article open" in plain(told)


async def test_it_is_gone_when_the_page_is_closed_or_says_nothing_for_half_a_minute(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    _, ben = await editor(desk, "Ben")
    number, page = await write(ana), key()
    address = f"/desk/articles/{number}"
    await ana.post(f"{address}/here", page=page)
    await ben.post(f"{address}/gone", page=page)
    assert "Ana" in plain(await ben.post(f"{address}/here", page=key())), "nobody closes somebody else's page"
    assert (await ana.post(f"{address}/gone", page=page)).status_code == 204
    assert plain(await ben.post(f"{address}/here", page=key())).startswith("You have")

    await ana.post(f"{address}/here", page=page)
    await age(desk, presence.SEEN - 3)
    assert "Ana" in plain(await ben.post(f"{address}/here", page=key()))
    await age(desk, 4)
    assert "Ana" not in plain(await ben.post(f"{address}/here", page=key()))
    # A page that nobody looks at speaks once a minute, and its words are still there.
    await ana.post(f"{address}/here", page=page, hidden="true")
    await age(desk, 62)
    assert "Ana" in plain(await ben.post(f"{address}/here", page=key()))


async def test_the_same_person_twice_is_told_so_and_counts_once_for_others(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    _, ben = await editor(desk, "Ben")
    number = await write(ana)
    await ana.post(f"/desk/articles/{number}/here", page=key())
    assert "You have this article open in another window" in plain(
        await ana.post(f"/desk/articles/{number}/here", page=key())
    )
    assert plain(await ben.post(f"/desk/articles/{number}/here", page=key())).count("Ana has") == 1


async def test_a_look_every_few_seconds_is_not_a_write_every_few_seconds(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    number, page = await write(ana), key()
    await ana.post(f"/desk/articles/{number}/here", page=page)
    (first,) = await rows(desk)
    await ana.post(f"/desk/articles/{number}/here", page=page)
    (second,) = await rows(desk)
    assert second.until == first.until
    await age(desk, presence.SEEN / 2)
    await ana.post(f"/desk/articles/{number}/here", page=page)
    (third,) = await rows(desk)
    assert third.until > second.until
    assert third.since == pytest.approx(first.since - presence.SEEN / 2), "open since then, all the time"


async def test_pages_that_are_not_open_any_more_are_tidied_away(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    number = await write(ana)
    await ana.post(f"/desk/articles/{number}/here", page=key())
    await schedule.tidy(desk.context)
    assert len(await rows(desk)) == 1
    await age(desk, presence.SEEN + 1)
    await schedule.tidy(desk.context)
    assert await rows(desk) == []


async def test_what_is_no_page_or_no_article_is_not_noted(desk: Desk) -> None:
    _, ana = await editor(desk, "Ana")
    number = await write(ana)
    assert (await ana.post(f"/desk/articles/{number}/here", page="me")).status_code == 404
    assert (await ana.post(f"/desk/articles/{number + 7}/here", page=key())).status_code == 200
    assert await rows(desk) == []
