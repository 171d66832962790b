"""What staff see and do: answer customers, look into the record, write articles, read the figures, keep accounts."""

from fastapi import FastAPI

from dashboard import (
    account,
    articles,
    ask,
    auth,
    history,
    inbox,
    insights,
    members,
    pages,
    presence,
    quarantine,
    record,
)
from service.context import Context


def mount(app: FastAPI, context: Context) -> None:
    """Add /desk and everything below it to `app`."""
    app.state.context = context
    app.mount("/desk/static", pages.Static(directory=pages.STATIC), name="desk-static")
    app.include_router(auth.router)
    app.include_router(inbox.router)
    app.include_router(presence.router)  # its verbs stand before those of any article
    app.include_router(articles.router)
    app.include_router(history.router)
    app.include_router(ask.router)
    app.include_router(record.router)
    app.include_router(account.router)
    app.include_router(members.router)
    app.include_router(insights.router)
    app.include_router(quarantine.router)
    app.include_router(pages.router)
