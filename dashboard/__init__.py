"""What staff see and do: sign in, answer customers, write and publish articles, ask the agent, read the figures."""

from fastapi import FastAPI

from dashboard import articles, ask, auth, history, inbox, insights, pages, presence
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
    app.include_router(insights.router)
    app.include_router(pages.router)
