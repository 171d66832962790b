"""What staff see and do: sign in, the queue, a conversation with its grounds, take over, reply, hand back, resolve."""

from fastapi import FastAPI

from dashboard import auth, inbox, pages
from service.context import Context


def mount(app: FastAPI, context: Context) -> None:
    """Add /desk and everything below it to `app`."""
    app.state.context = context
    app.mount("/desk/static", pages.Static(directory=pages.STATIC), name="desk-static")
    app.include_router(auth.router)
    app.include_router(inbox.router)
    app.include_router(pages.router)
