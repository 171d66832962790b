"""The routes of an article: the list, the editor with its preview, and what is done with an article."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from dashboard import catalogue, difference, editing
from dashboard.auth import Acting, SignedIn, Who, needs
from dashboard.pages import DeskRoute, Id, by_htmx, context_of, render
from knowledge import articles
from knowledge.articles import Article, ArticleVersion, KnowledgeError
from knowledge.embedding import Content
from service.help_pages import to_html


class ArticleRoute(DeskRoute):
    """A route that takes a whole article: a form writes some letters as nine bytes."""

    most_body = 1_200_000


router = APIRouter(prefix="/desk/articles", route_class=ArticleRoute)
READ, WRITE = needs("read articles"), needs("write articles")

Number = Annotated[int, Form(ge=0, le=2**31 - 1)]

#: What an address may ask to be said above an article, after something was done to it; nobody else's words are shown.
SAID = {
    "created": "Saved as a draft. Customers are not answered from it until it is published.",
    "saved": "Saved. Customers read this version once it is published.",
    "unchanged": "Nothing was changed since it was last saved.",
    "published": "Published. Customers are answered from this version now.",
    "not-published": "Saved as a draft, but it could not be published. Press Publish to try again.",
    "restored": "The older words are back, as the newest version. Customers read them once they are published.",
    "unpublish": "Unpublished. Customers are not answered from it any more.",
    "archive": "Archived. Its versions stay, and it can be brought back.",
    "bring-back": "Brought back as a draft. Publish it to answer from it.",
}


@dataclass(frozen=True)
class Clash:
    """What somebody else saved meanwhile, and how it differs from what was typed."""

    theirs: ArticleVersion
    changes: list[difference.Change]


@dataclass(frozen=True)
class Page:
    """An article in the editor. `base`: the version that the words in the form were written over."""

    article: Article | None
    content: Content
    base: int
    by: str = ""
    said: str = ""
    sentence: str = ""
    clash: Clash | None = None


def typed(
    title: Annotated[str, Form()] = "",
    topic: Annotated[str, Form()] = "",
    phrases: Annotated[str, Form()] = "",
    body: Annotated[str, Form()] = "",
) -> Content:
    """The words of the form, with the line ends that files have."""
    each = tuple(" ".join(line.split()) for line in phrases.splitlines())
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    return Content(" ".join(title.split()), " ".join(topic.split()), body, each)


Typed = Annotated[Content, Depends(typed)]


def wanted(q: str = "", state: str = "all", topic: str = "", most: int = catalogue.PAGE) -> catalogue.Wanted:
    known = state if state in dict(catalogue.STATES) else "all"
    words = Content(q[:200], topic[:200])  # without what a database cannot take
    return catalogue.Wanted(words.title, known, words.topic, max(1, min(most, catalogue.MOST)))


@router.get("", dependencies=READ)
async def contents(request: Request, who: Who, wanted: Annotated[catalogue.Wanted, Depends(wanted)]) -> Response:
    context = context_of(request)
    async with context.db.read() as session:
        found = await catalogue.load(session, wanted)
    return render(
        request,
        "articles.html",
        who=who,
        wanted=wanted,
        found=found,
        states=catalogue.STATES,
        page=catalogue.PAGE,
        now=context.clock(),
    )


@router.get("/new", dependencies=WRITE)
async def blank(request: Request, who: Who) -> Response:
    return await _editor(request, who, Page(None, Content(""), 0))


@router.post("/new", dependencies=WRITE)
async def create(request: Request, who: Acting, content: Typed, then: Annotated[str, Form()] = "save") -> Response:
    """A new article from the form, published at once if that was pressed."""
    context = context_of(request)
    try:
        async with context.db.write() as session:
            article = await editing.create(session, content, who.staff)
    except editing.NotPossible as error:
        return await _editor(request, who, Page(None, content, 0, sentence=str(error)), 409)
    if then == "publish":
        try:
            await editing.publish(context, article.id, who.staff)
        except (editing.NotPossible, KnowledgeError):
            return _go(request, f"/desk/articles/{article.id}?said=not-published")
        return _go(request, f"/desk/articles/{article.id}?said=published")
    return _go(request, f"/desk/articles/{article.id}?said=created")


@router.post("/preview", dependencies=WRITE)
async def preview(who: Acting, content: Typed) -> Response:
    """The text as customers will read it. Stores nothing."""
    body = content.body[: editing.MOST_TEXT]
    return HTMLResponse(await asyncio.to_thread(to_html, body) or '<p class="quiet">Nothing written yet.</p>')


@router.get("/{article_id}", dependencies=READ)
async def article(request: Request, who: Who, article_id: Id, said: str = "") -> Response:
    """The editor; for those who only read articles, the newest words."""
    found, newest = await _load(request, article_id)
    content = articles.content(newest)
    if not who.may("write articles"):
        html = await asyncio.to_thread(to_html, newest.body)
        return render(
            request, "article.html", who=who, article=found, version=newest, html=html, now=context_of(request).clock()
        )
    page = Page(found, content, found.version, newest.created_by, said=SAID.get(said, ""))
    return await _editor(request, who, page)


@router.post("/{article_id}", dependencies=WRITE)
async def save(
    request: Request,
    who: Acting,
    article_id: Id,
    content: Typed,
    base: Number = 0,
    over: Number = 0,
    then: Annotated[str, Form()] = "save",
) -> Response:
    """Save what was typed over version `base`, or `over` what somebody else saved meanwhile; then publish."""
    context = context_of(request)
    try:
        async with context.db.write() as session:
            saved = await editing.save(session, article_id, content, who.staff, over=over or base)
    except editing.NotPossible as error:
        return await _again(request, who, article_id, content, base, sentence=str(error))
    except editing.Conflict as conflict:
        changes = await asyncio.to_thread(difference.between, articles.content(conflict.theirs), content)
        clash = Clash(conflict.theirs, changes)
        return await _again(request, who, article_id, content, base, clash=clash)
    said = "unchanged" if saved.version == base else "saved"
    told, sentence = SAID[said], ""
    if then == "publish":
        said = "published"
        try:
            told = await editing.publish(context, article_id, who.staff)
        except (editing.NotPossible, KnowledgeError) as error:
            told, sentence = "", f"Your words are saved, but not published. {error}"
    if sentence or by_htmx(request):
        return await _again(request, who, article_id, content, saved.version, said=told, sentence=sentence)
    return _go(request, f"/desk/articles/{article_id}?said={said}")


@router.post("/{article_id}/{verb}", dependencies=WRITE)
async def act(
    request: Request, who: Acting, article_id: Id, verb: str, version: Number = 0, base: Number = 0
) -> Response:
    """Unpublish, archive, bring back, as was decided before `version`; nothing of the form is saved."""
    verbs = {"unpublish": editing.unpublish, "archive": editing.archive, "bring-back": editing.bring_back}
    if verb not in verbs:
        raise HTTPException(404, "There is no such thing to do with an article.")
    sentence = ""
    try:
        async with context_of(request).db.write() as session:
            await verbs[verb](session, article_id, who.staff, seen=version)
    except (editing.NotPossible, KnowledgeError) as error:
        sentence = str(error)
    if sentence or by_htmx(request):
        return await _again(
            request, who, article_id, None, base or version, said="" if sentence else SAID[verb], sentence=sentence
        )
    return _go(request, f"/desk/articles/{article_id}?said={verb}")


async def _again(
    request: Request,
    who: SignedIn,
    article_id: int,
    content: Content | None,
    base: int,
    *,
    said: str = "",
    sentence: str = "",
    clash: Clash | None = None,
) -> Response:
    """The article once more, as it is now, around the words that were typed."""
    found, newest = await _load(request, article_id)
    page = Page(
        found, content or articles.content(newest), base or newest.number, newest.created_by, said, sentence, clash
    )
    return await _editor(request, who, page, 409 if sentence or clash else 200)


async def _editor(request: Request, who: SignedIn, page: Page, status: int = 200) -> Response:
    """The whole page, or what stands around the form: what is typed there meanwhile is never touched."""
    context = context_of(request)
    values = {"who": who, "page": page, "now": context.clock()}
    if by_htmx(request):
        return render(request, "_article_head.html", status, **values)
    html = await asyncio.to_thread(to_html, page.content.body)
    async with context.db.read() as session:
        topics = await catalogue.topics(session)
    return render(request, "article_edit.html", status, html=html, topics=topics, most=editing, **values)


async def _load(request: Request, article_id: int) -> tuple[Article, ArticleVersion]:
    async with context_of(request).db.read() as session:
        found = await session.get(Article, article_id)
        if found is None:
            raise HTTPException(404, "There is no such article.")
        return found, await articles.current(session, found)


def _go(request: Request, path: str) -> Response:
    if by_htmx(request):
        return Response(status_code=200, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)
