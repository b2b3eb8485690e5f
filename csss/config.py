"""Define all settings of CSSS: read once from the environment (names begin with CSSS_), typed, with safe defaults.

A test compares the table in README.md with `Settings`; add a new setting in both places.
"""

import difflib
import os
import re
import secrets
from dataclasses import dataclass, field, fields
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values

from csss.paths import private_folder, write_private_once
from csss.storage.keys import StorageKey, parse_keys


class BadSetting(ValueError):
    """A setting has an invalid value; the message names the setting and says what is expected."""


def _setting(default: Any, about: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"about": about}, repr=not secret)


# A day has 1440 minutes, a year 525,600. A request may have 70 MB (`factory.MAX_REQUEST`). bcrypt allows at most 31
# rounds, and a sign-in with 16 takes seconds.
_BOUNDS = {
    "port": (1, 65_535),
    "web_threads": (1, 1_000),
    "web_processes": (1, 1_000),
    "connections": (50, 100_000),
    "connections_of_one_address": (10, 100_000),
    "live_streams": (0, 100_000),
    "trusted_proxies": (0, 20),
    "session_minutes": (1, 525_600),
    "session_hours": (1, 8_760),
    "otp_minutes": (1, 1_440),
    "critical_minutes": (1, 1_440),
    "upload_mb": (1, 64),
    "uploads_a_day": (1, 100_000),
    "mail_port": (1, 65_535),
    "bcrypt_rounds": (4, 16),
    "retention_days": (0, 36_500),
}

_CHOICES = {
    "classifier_shown": ("at_once", "after_reading", "silent"),
    "analyse": ("doctor", "on_arrival"),
}

_LEAST_SECRET = 32  # characters
# The drivers that CSSS installs and is tested with. `sqlite://` alone would be an in-memory database.
_DATABASE_URL = re.compile(r"(postgres(ql)?(\+psycopg)?://|sqlite(\+pysqlite)?:///(?!:memory:))[^?]")
# Read by the tests, the load test and training; the system itself does not use them.
_OF_OTHERS = frozenset(
    {"CSSS_TEST_POSTGRES", "CSSS_DATA", "CSSS_WEIGHTS", "CSSS_LOAD_PEOPLE", "CSSS_LOAD_RESULT"}
)


@dataclass(frozen=True)
class RelyingParty:
    """This site for passkeys: the name that they are bound to, and the origin whose pages may use them."""

    id: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field per environment variable: `session_minutes` is read from `CSSS_SESSION_MINUTES`."""

    instance: str = _setting("instance", "Folder for everything kept on this machine")
    database_url: str = _setting("", "SQLAlchemy URL; empty: SQLite (WAL) in the instance folder")
    redis_url: str = _setting("redis://127.0.0.1:6379/0", "Redis for the job queues (also `unix://`)")
    storage_url: str = _setting(
        "", "Where scans and reports are kept: `file:///path`; empty: the instance folder"
    )
    storage_keys: str = _setting(
        "",
        "Keys of stored files, `id:base64` with commas; the first encrypts, all decrypt; empty: no encryption",
        secret=True,
    )
    storage_plain: bool = _setting(True, "Read stored files from before encryption (0 refuses them)")
    retention_days: int = _setting(
        0,
        "Days after which a patient's data is listed as due for erasing; 0: never. Nothing is erased automatically",
    )
    model: str = _setting(
        "",
        "Folder of the classifier; empty: what an administrator has chosen, else the one in `models/ACTIVE`",
    )
    threshold: float | None = _setting(None, "τ between 0 and 1; empty: the default of the model (0.75)")
    classifier_shown: str = _setting(
        "at_once",
        "When a doctor sees the classifier's answer: `at_once`, `after_reading` (after a first impression), or "
        "`silent` (nobody who reads, prescribes or approves, and no report, ever)",
    )
    analyse: str = _setting(
        "doctor",
        "Who starts an analysis: `doctor` (by a button), or `on_arrival` (each scan as it is sent in)",
    )
    critical_minutes: int = _setting(
        60,
        "Minutes until administrators and the doctor are told that nobody has taken note of a critical result; then "
        "again, three times in all",
    )
    secret_key: str = _setting(
        "", "Signs cookies and links, encrypts secrets; empty: made once in the instance folder"
    )
    base_url: str = _setting(
        "http://127.0.0.1:8000", "Address people use; `https://` makes cookies Secure and adds HSTS"
    )
    host: str = _setting("127.0.0.1", "Address that `csss web` listens on")
    port: int = _setting(8000, "Port that `csss web` and `csss demo` listen on")
    web_threads: int = _setting(16, "Threads of each web process")
    web_processes: int = _setting(1, "Web processes")
    connections: int = _setting(
        1000,
        "Connections each web process holds open; one more replaces the one that has waited longest",
    )
    connections_of_one_address: int = _setting(
        200, "The same for one network address; ignored where `CSSS_TRUSTED_PROXIES` is set"
    )
    live_streams: int = _setting(
        500, "Live streams each web process holds open; more pages refresh once a minute"
    )
    trusted_proxies: int = _setting(0, "How many reverse proxies in front may set `X-Forwarded-*`")
    time_zone: str = _setting("UTC", "IANA name; for all times that people read")
    session_minutes: int = _setting(60, "A session ends after this many minutes without use")
    session_hours: int = _setting(12, "A session ends this many hours after signing in, used or not")
    otp_minutes: int = _setting(10, "Life of an e-mailed one-time code")
    upload_mb: int = _setting(10, "Largest JPEG or PNG, in megabytes (10^6 bytes)")
    check_pictures: bool = _setting(
        True, "Ask a patient whose picture does not look like a scan of its kind, or is blurred or dark"
    )
    uploads_a_day: int = _setting(50, "Scans that one patient may send within 24 hours")
    mail_server: str = _setting("127.0.0.1", "SMTP server")
    mail_port: int = _setting(587, "SMTP port")
    mail_starttls: bool = _setting(True, "Use STARTTLS (0 only for a server on the same machine)")
    mail_username: str = _setting("", "SMTP user; empty: no sign-in")
    mail_password: str = _setting("", "SMTP password")
    mail_ca_file: str = _setting(
        "", "PEM file of the authority that signed the mail server's certificate; empty: the system's"
    )
    mail_from: str = _setting("CSSS <no-reply@csss.example>", "Sender of all mail")
    mail_folder: str = _setting("", "Write `.eml` files into this folder instead of sending")
    hospital_name: str = _setting("Example Hospital", "Shown on pages, mail and reports")
    hospital_address: str = _setting("", "Shown on reports; vertical bars separate its lines")
    formulary: str = _setting("", "File of the hospital's medicines; empty: ours (`csss/prescriptions/data`)")
    interactions: str = _setting(
        "", "File of the hospital's list of interactions; empty: ours, in the same folder"
    )
    admin_passkey: bool = _setting(
        False,
        "Administrators must sign in, approve and erase with a passkey (a recovery code leads to a new one)",
    )
    bcrypt_rounds: int = _setting(12, "Cost of password hashing (10 to 16)")
    metrics_token: str = _setting("", "Bearer token for `/metrics`; empty: only this machine may read it")

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise BadSetting(f"CSSS_THRESHOLD is {self.threshold}: it must lie between 0 and 1.")
        self._check_database_url()
        if self.secret_key and len(self.secret_key) < _LEAST_SECRET:
            raise BadSetting("CSSS_SECRET_KEY is too short: use at least 32 random characters.")
        if urlsplit(self.base_url).scheme not in {"http", "https"}:
            raise BadSetting("CSSS_BASE_URL must begin with http:// or https://.")
        if self.storage_url and urlsplit(self.storage_url).scheme != "file":
            raise BadSetting("CSSS_STORAGE_URL must begin with file:///; no other storage is supported yet.")
        try:
            keys = parse_keys(self.storage_keys)
        except ValueError as error:
            raise BadSetting(f"CSSS_STORAGE_KEYS cannot be used: {error}.") from error
        if not self.storage_plain and not keys:
            raise BadSetting("CSSS_STORAGE_PLAIN is 0 and CSSS_STORAGE_KEYS is empty: no file could be read.")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise BadSetting(f"CSSS_TIME_ZONE is {self.time_zone!r}: it must be an IANA name.") from error
        if urlsplit(self.redis_url).scheme not in {"redis", "rediss", "unix"}:
            raise BadSetting("CSSS_REDIS_URL must begin with redis://, rediss:// or unix://.")
        if self.admin_passkey and self.relying_party is None:
            raise BadSetting(
                "CSSS_ADMIN_PASSKEY needs a CSSS_BASE_URL that begins with https:// and names a host: browsers make "
                "no passkeys for anything else."
            )
        self._check_choices_and_bounds()

    def _check_choices_and_bounds(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise BadSetting(
                    f"CSSS_{name.upper()} is {getattr(self, name)!r}: it must be one of {', '.join(choices)}."
                )
        for name, (least, most) in _BOUNDS.items():
            if getattr(self, name) < least:
                raise BadSetting(f"CSSS_{name.upper()} must be at least {least}.")
            if getattr(self, name) > most:
                raise BadSetting(f"CSSS_{name.upper()} must be at most {most}.")

    def _check_database_url(self) -> None:
        """Never repeat any part of the value: it may contain a password."""
        if not self.database_url:
            return
        if not _DATABASE_URL.match(self.database_url):
            raise BadSetting(
                "CSSS_DATABASE_URL must begin with postgresql:// (postgresql://user:password@host:5432/name), or with "
                "sqlite:/// and the path of a file; empty means SQLite in the instance folder."
            )
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            make_url(self.database)
        except (ArgumentError, ValueError):
            raise BadSetting(
                "CSSS_DATABASE_URL cannot be read: it must look like postgresql://user:password@host:5432/name, with "
                "special characters of the password written as %40 and the like."
            ) from None

    @property
    def https(self) -> bool:
        return urlsplit(self.base_url).scheme == "https"

    @property
    def relying_party(self) -> RelyingParty | None:
        """The site for which browsers create passkeys; None where they create none: on plain http, and for a bare
        IP address.

        Exception: this machine under the name localhost, which browsers trust without https.
        """
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        if host in {"127.0.0.1", "::1"}:
            host = "localhost"
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", host) or re.fullmatch(r"[0-9.]+", host):
            return None
        if parts.scheme == "http" and host != "localhost":
            return None
        port = "" if parts.port in {None, {"http": 80, "https": 443}[parts.scheme]} else f":{parts.port}"
        return RelyingParty(host, f"{parts.scheme}://{host}{port}")

    @property
    def instance_folder(self) -> Path:
        return Path(self.instance).resolve()

    @property
    def database(self) -> str:
        """The URL for SQLAlchemy. `postgres://` and `postgresql://` select the driver that CSSS installs."""
        if not self.database_url:
            return f"sqlite:///{self.instance_folder / 'csss.db'}"
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", self.database_url)

    @property
    def secret_key_file(self) -> Path:
        """The file of the secret key when CSSS_SECRET_KEY is not set."""
        return self.instance_folder / "secret_key"

    def has_secret(self) -> bool:
        """Whether a secret key exists; does not create one."""
        return bool(self.secret_key) or self.secret_key_file.exists()

    @property
    def storage_folder(self) -> Path:
        if self.storage_url:
            return Path(urlsplit(self.storage_url).path)
        return self.instance_folder / "storage"

    @property
    def storage_key_ring(self) -> tuple[StorageKey, ...]:
        """The keys of stored files, the encrypting key first; empty without encryption."""
        return parse_keys(self.storage_keys)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def upload_bytes(self) -> int:
        return self.upload_mb * 1_000_000

    @property
    def mail_domain(self) -> str:
        """The sender's domain, with which Message-IDs end."""
        return parseaddr(self.mail_from)[1].rpartition("@")[2] or "csss.invalid"

    @property
    def hospital_address_lines(self) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.hospital_address.split("|") if line.strip())

    def secret(self) -> str:
        """The secret key: the setting, or a key that is created once and stored readable only by its owner.

        Several machines must share one value, so they must use the setting.
        """
        if self.secret_key:
            return self.secret_key
        path = self.secret_key_file
        private_folder(path.parent)
        if not path.exists():
            # Two processes that start at once must not make two keys, and a full disk must not leave an empty file.
            write_private_once(path, secrets.token_urlsafe(48).encode("ascii"))
        return self.kept_secret()

    def kept_secret(self) -> str:
        """The key in the file, which must exist. Raises BadSetting when it is invalid."""
        path = self.secret_key_file
        try:
            key = path.read_text(encoding="ascii")
        except UnicodeDecodeError:
            key = ""
        except OSError as error:
            raise BadSetting(f"The secret key in {path} cannot be read: {error.strerror}.") from error
        if len(key) < _LEAST_SECRET:
            raise BadSetting(
                f"{path} holds no usable secret key (at least {_LEAST_SECRET} ASCII characters). Put the key back that "
                "was kept elsewhere, or set CSSS_SECRET_KEY to it."
            )
        return key


_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _parse(name: str, kind: Any, text: str) -> Any:
    try:
        if kind is bool:
            if text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            raise ValueError
        if kind is int:
            return int(text)
        if kind == (float | None):
            return float(text) if text else None
    except ValueError:
        expected = {bool: "1 or 0", int: "a whole number"}.get(kind, "a number")
        raise BadSetting(f"{name} is {text!r}: it must be {expected}.") from None
    return text


def environment_name(setting: str) -> str:
    return f"CSSS_{setting.upper()}"


def _variables() -> dict[str, str | None]:
    """The variables that are set: in `.env` of the working folder, and in the environment, which takes precedence."""
    return {**dotenv_values(".env"), **os.environ}


def unknown_variables() -> list[str]:
    """A sentence for each CSSS_ variable that is not a setting, with the most similar name: most are typing errors."""
    known = {environment_name(each.name).removeprefix("CSSS_") for each in fields(Settings)}
    told = []
    for variable in sorted(_variables()):
        prefix, name = variable[:5], variable[5:]
        if prefix.upper() != "CSSS_" or variable in _OF_OTHERS or (prefix == "CSSS_" and name in known):
            continue
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
        meant = f"did you mean CSSS_{near[0]}?" if near else "`csss settings` lists all."
        told.append(f"{variable} is not a setting of CSSS and has no effect; {meant}")
    return told


def load_settings(**overrides: Any) -> Settings:
    """Read settings from `.env` in the working folder, then the environment, then `overrides` (the last takes
    precedence).

    Raises BadSetting with a sentence that names the variable.
    """
    found = _variables()
    values: dict[str, Any] = {}
    for each in fields(Settings):
        name = environment_name(each.name)
        text = found.get(name)
        if text is not None and not (text == "" and each.type in (int, bool)):
            values[each.name] = _parse(name, each.type, text)
    return Settings(**{**values, **overrides})


def settings_table() -> str:
    """The table of all settings in Markdown, as in the README."""
    lines = ["| variable | default | what it is |", "| --- | --- | --- |"]
    for each in fields(Settings):
        default = "" if each.default is None or each.default == "" else f"`{each.default}`"
        if isinstance(each.default, bool):
            default = f"`{int(each.default)}`"
        lines.append(f"| `{environment_name(each.name)}` | {default} | {each.metadata['about']} |")
    return "\n".join(lines)
