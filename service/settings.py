"""Every environment variable of the service: its type, its default and what it means."""

import json
import os
import re
import secrets
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

#: The models whose prices are known, with the date of the prices.
MODELS = Path(__file__).parent / "agent" / "models.json"
#: An email address that every mail server takes: no quotes, no letters beyond ASCII.
ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+"
#: Characters of a token that is not to be guessed.
SHORTEST_TOKEN = 16
#: Characters of a SECRET_KEY: fewer may be guessed.
LEAST_KEY = 32
#: What a secret.key holds.
HEX = re.compile(r"[0-9a-fA-F]{64}")


def owner_only(name: str, flags: int) -> int:
    """An opener of files that nobody but their owner may read."""
    return os.open(name, flags, 0o600)


class Settings(BaseSettings):
    """The service's settings, read from the environment and from `.env`. A channel's own settings are in its file."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    data_dir: Path = Field(
        Path("data"), description="The one directory that holds the database, the index and the secret key."
    )
    database_url: str = Field(
        "", description="postgresql://user:password@host/name; empty means SQLite inside DATA_DIR."
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="The key that signs visitors' tokens, the same for all replicas; empty: one is made in DATA_DIR.",
    )
    host: str = Field("127.0.0.1", description="The address the web server listens on.")
    port: int = Field(8000, description="The port the web server listens on.")
    public_base_url: str = Field(
        "",
        description="How customers reach this server, such as https://help.example.com; empty means http://HOST:PORT.",
    )
    company_name: str = Field("our team", description="The name customers read, as in 'someone from ... will reply'.")
    allowed_origins: str = Field(
        "*", description="Sites that may embed the chat widget: origins separated by commas, or * for any."
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses of reverse proxies whose X-Forwarded-For is believed, or * for any."
    )
    people_per_address: int = Field(
        300,
        ge=1,
        description="How many people may share one network address, as an office does; its limits follow from it.",
    )
    workers: int = Field(4, ge=1, le=64, description="Conversations that one process works on at the same time.")
    lease_seconds: float = Field(
        60.0,
        gt=0,
        description="How long a worker may hold a conversation without a sign of life before another takes it.",
    )
    respond_give_up_seconds: float = Field(
        60.0, gt=0, description="How long a failing answer is tried again before the customer gets a person instead."
    )
    wrong_rate: float = Field(
        0.05, gt=0, lt=1, description="The share of wrong answers among those sent that the operator can live with."
    )
    confidence_threshold: float | None = Field(
        None, ge=0, le=1, description="Answer only from this confidence upwards; empty means the fitted threshold."
    )
    anthropic_api_key: SecretStr = Field(
        SecretStr(""), description="The key that lets Claude write the answers; empty: articles are quoted."
    )
    anthropic_base_url: str = Field("", description="Where Claude's API is, if not at its vendor's.")
    claude_model: str = Field("claude-haiku-5-5", description="The model that writes: one of agent/models.json.")
    claude_seconds: float = Field(
        25.0, gt=0, le=120, description="How long Claude may take; never more than 0.4 of LEASE_SECONDS."
    )
    claude_max_tokens: int = Field(500, ge=50, le=4000, description="The most tokens of one reply of Claude's.")
    claude_usd_per_message: float = Field(0.02, ge=0, description="The most that one reply may cost, in US dollars.")
    claude_usd_per_conversation: float = Field(
        0.20, ge=0, description="The most that one conversation may cost, in US dollars."
    )
    claude_usd_per_day: float = Field(
        5.0, ge=0, description="The most that all of the last 24 hours may cost, in US dollars."
    )
    smtp_host: str = Field("", description="The mail server that takes mail to staff; empty: staff mail is off.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: str = Field(
        "starttls",
        pattern="^(starttls|tls|none)$",
        description="How the connection to it is encrypted: starttls, tls (from the first byte) or none.",
    )
    smtp_user: str = Field("", description="The name to log in to it with; empty: no login.")
    smtp_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="The password that goes with it."
    )
    mail_from: str = Field("", validate_default=True, description="The address that mail to staff comes from.")
    call_email_seconds: float = Field(
        300.0, gt=0, description="Staff who asked for it get an email when nobody took a call for a person for so long."
    )
    session_hours: float = Field(12.0, gt=0, description="How long a member of staff stays signed in.")
    metrics_token: SecretStr = Field(
        SecretStr(""), description="What a reader of /metrics must send as its bearer token; empty: nobody reads them."
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Where `firstline work` answers /metrics, /healthz and /readyz; 0: nowhere."
    )
    log_format: str = Field("text", pattern="^(text|json)$", description="How log lines look: text or json.")
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="The least severe of our log lines that is written; libraries only warn.",
    )

    @field_validator("metrics_token")
    @classmethod
    def _long(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError(f"it is too easily guessed; make it {SHORTEST_TOKEN} characters or more")
        return token

    @field_validator("claude_model")
    @classmethod
    def _priced(cls, name: str) -> str:
        known = json.loads(MODELS.read_text(encoding="utf-8"))["models"]
        if name not in known:
            raise ValueError(f"its price is not known; it can be {', '.join(known)}")
        return name

    @field_validator("smtp_password")
    @classmethod
    def _whole_login(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(password.get_secret_value()) != bool(info.data.get("smtp_user")):
            raise ValueError("SMTP_USER and SMTP_PASSWORD go together; set both or none")
        return password

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, address: str, info: ValidationInfo) -> str:
        if address and not re.fullmatch(ADDRESS, address):
            raise ValueError("it is a plain email address, such as support@example.com")
        if info.data.get("smtp_host") and not address:
            raise ValueError("SMTP_HOST turns staff mail on, which needs the address it comes from")
        return address

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value().strip()) < LEAST_KEY:
            raise ValueError(f"it must have at least {LEAST_KEY} characters; `openssl rand -hex 32` makes one")
        return key

    @property
    def base_url(self) -> str:
        """The public address without a trailing slash."""
        return (self.public_base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database, with its asyncio driver."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.data_dir / 'firstline.db'}"
        scheme, _, rest = self.database_url.partition("://")
        drivers = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
        return f"{drivers.get(scheme, scheme)}://{rest}"

    def chosen_key(self) -> bytes | None:
        """SECRET_KEY, if it is set: what a secret.key holds means the same here as there."""
        text = self.secret_key.get_secret_value().strip()
        return (bytes.fromhex(text) if HEX.fullmatch(text) else text.encode()) if text else None

    def signing_key(self) -> bytes:
        """The key that signs visitor tokens: SECRET_KEY, or one made once in DATA_DIR, readable by its owner alone."""
        if key := self.chosen_key():
            return key
        self.data_dir.mkdir(parents=True, exist_ok=True)
        path = self.data_dir / "secret.key"
        try:
            # "x": of two processes that start at once, one makes the key and the other reads it.
            with open(path, "x", opener=owner_only) as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        return bytes.fromhex(path.read_text())
