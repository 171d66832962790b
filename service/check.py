"""What is configured, what is off and which variable turns it on: the words of `firstline check`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import func, select

from channels.base import Channel
from knowledge.articles import Article
from service import migrations, traces
from service.db import Database
from service.models import Staff
from service.settings import Settings


async def report(
    settings: Settings, channels: Mapping[str, Channel], environ: Mapping[str, str]
) -> AsyncIterator[tuple[bool | None, str]]:
    """Sentences with True (in order), None (off, or worth knowing) or False (must be mended)."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    yield True, f"DATA_DIR: everything is kept in {settings.data_dir.resolve()}."
    async for each in _database(settings):
        yield each
    yield _address(settings)
    for channel in channels.values():
        for each in _wants(channel.missing):
            yield None, f"{channel.title} is off. It wants {each}."
        if not channel.missing:
            yield True, f"{channel.title} is on."
    yield _claude(settings)
    yield _staff_mail(settings)
    if settings.metrics_token.get_secret_value():
        yield True, "METRICS_TOKEN: who sends it reads /metrics."
    else:
        yield None, "Nobody may read /metrics. METRICS_TOKEN is what a reader must send."
    yield _traces(environ)
    if settings.allowed_origins == "*":
        yield None, "Any site may embed the chat widget. ALLOWED_ORIGINS names the sites that may."
    if settings.confidence_threshold is None:
        yield True, f"WRONG_RATE: at most {settings.wrong_rate:.0%} wrong among the answers sent is aimed at."
    else:
        yield True, f"CONFIDENCE_THRESHOLD: answers go out from {settings.confidence_threshold} upwards, fitted or not."
    if settings.company_name == "our team":
        yield None, "Customers read 'our team'. COMPANY_NAME sets the name they know."


def _address(settings: Settings) -> tuple[bool | None, str]:
    url, parts = settings.base_url, urlsplit(settings.base_url)
    if not settings.public_base_url:
        return None, f"Links in answers point to {url}. PUBLIC_BASE_URL sets the address customers know."
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
        return False, f"PUBLIC_BASE_URL: {url} is no address such as https://help.example.com, with no path after it."
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return False, f"PUBLIC_BASE_URL: {url} is without https, so staff cannot stay signed in and chats can be read."
    return True, f"PUBLIC_BASE_URL: customers reach this server at {url}."


def _wants(missing: Sequence[str]) -> Sequence[str]:
    """Variables that are not set in one breath, and each that is not as it should be by itself."""
    unset = [each for each in missing if " " not in each]
    return [*([", ".join(unset)] if unset else []), *(each for each in missing if " " in each)]


def _traces(environ: Mapping[str, str]) -> tuple[bool | None, str]:
    try:
        exporters = traces.wanted(environ)
    except traces.Unusable as error:
        return False, str(error)
    if not exporters:
        return None, "Traces are off. OTEL_EXPORTER_OTLP_ENDPOINT says where they go."
    return True, f"Traces go out by {' and '.join(exporters)}."


def _claude(settings: Settings) -> tuple[bool | None, str]:
    if not settings.anthropic_api_key.get_secret_value():
        return None, "Claude is off: answers are quoted from the articles. ANTHROPIC_API_KEY turns it on."
    limits = (
        f"${settings.claude_usd_per_message:g} a message, ${settings.claude_usd_per_conversation:g} a conversation, "
        f"${settings.claude_usd_per_day:g} a day"
    )
    where = f" at {settings.anthropic_base_url}" if settings.anthropic_base_url else ""
    return True, f"ANTHROPIC_API_KEY: {settings.claude_model}{where} writes the answers, for at most {limits}."


def _staff_mail(settings: Settings) -> tuple[bool | None, str]:
    if not settings.smtp_host:
        return None, "Staff mail is off: nobody is told by email when nobody takes a call. SMTP_HOST turns it on."
    server = f"{settings.smtp_host}:{settings.smtp_port}"
    if settings.smtp_security == "none":
        risk = "the password of SMTP_USER" if settings.smtp_user else "what is sent"
        return None, f"SMTP_HOST: staff mail goes through {server}, and SMTP_SECURITY=none leaves {risk} readable."
    return True, (
        f"SMTP_HOST: {server} ({settings.smtp_security}) mails staff who asked for it, from {settings.mail_from}, "
        f"{settings.call_email_seconds:g} seconds after a call that nobody took."
    )


async def _database(settings: Settings) -> AsyncIterator[tuple[bool | None, str]]:
    db = Database(settings.url)
    kind = "SQLite in DATA_DIR; DATABASE_URL turns PostgreSQL on" if db.sqlite else "PostgreSQL (DATABASE_URL)"
    try:
        if not await migrations.current(db):
            yield None, f"Database: {kind}. Its tables are not made yet; `firstline serve` makes them."
            return
        yield True, f"Database: {kind}."
        async with db.read() as session:
            staff = (await session.exec(select(func.count()).select_from(Staff))).one()
            articles = (
                await session.exec(select(func.count()).select_from(Article).where(Article.state == "published"))
            ).one()
        yield bool(staff) or None, f"Staff: {staff} with a login. `firstline staff add` makes one."
        yield bool(articles) or None, f"Articles: {articles} published. `firstline ingest DIR` takes a folder in."
    except (OSError, SQLAlchemyError) as error:
        yield (
            False,
            f"Database: {kind}. It cannot be reached ({type(error).__name__}). Check DATABASE_URL and that it runs.",
        )
    finally:
        await db.close()
