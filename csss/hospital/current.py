"""The hospital as pages, mail and reports show it: environment variables first, else what an administrator has set.

The settings are kept in the database, so a change counts in every process with its next request or job. Each asks for the
newest number; the rest is kept in memory until that number changes.
"""

import logging
from dataclasses import dataclass, fields
from datetime import datetime
from typing import cast

from flask import current_app, g, has_request_context
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from csss.config import Settings
from csss.database import db
from csss.hospital.models import HospitalVersion

log = logging.getLogger(__name__)

_DEFAULTS = {each.name: each.default for each in fields(Settings)}
_NEWEST = (
    select(HospitalVersion.number, HospitalVersion.changed_at)
    .order_by(HospitalVersion.number.desc())
    .limit(1)
)
_KEPT = "csss_hospital"  # in this process: the newest row and what was read from it


@dataclass(frozen=True)
class HospitalFacts:
    """What is shown. `number` is that of the row with the logo and the formulary; 0 when nothing was set."""

    name: str
    address: tuple[str, ...] = ()
    telephone: str = ""
    letterhead: str = ""
    logo: bytes | None = None
    number: int = 0
    has_small_logo: bool = False
    formulary: str | None = None


def from_environment(setting: str) -> bool:
    """Whether the environment sets this field of `Settings` to something else than its default."""
    return differs(_settings(), setting)


def differs(settings: Settings, setting: str) -> bool:
    """Whether this field differs from its default."""
    return bool(getattr(settings, setting) != _DEFAULTS[setting])


def hospital() -> HospitalFacts:
    """The hospital as it is set now. Asked once per request; where the database does not answer, what the environment
    says: error pages need a name, too.
    """
    if not has_request_context():
        return _now()
    if "hospital" not in g:
        g.hospital = _now()
    found: HospitalFacts = g.hospital
    return found


def forget() -> None:
    """Make this request look again after a change."""
    g.pop("hospital", None)


def _now() -> HospitalFacts:
    try:
        newest = db.session.execute(_NEWEST).one_or_none()
        kept = _version(*newest) if newest else None
    except SQLAlchemyError as error:
        log.warning("the settings of the hospital cannot be read: %s", type(error).__name__)
        kept = None
    return _with_environment(kept)


def _version(number: int, changed_at: datetime) -> HospitalFacts:
    """A row never changes, so this process reads it once. The time tells rows of two databases apart (a restore)."""
    key, found = current_app.extensions.get(_KEPT, (None, None))
    if key == (number, changed_at) and found is not None:
        return cast("HospitalFacts", found)
    row = db.session.get_one(HospitalVersion, number)
    read = HospitalFacts(
        name=row.name,
        address=tuple(line.strip() for line in row.address.splitlines() if line.strip()),
        telephone=row.telephone,
        letterhead=row.letterhead,
        logo=row.logo,
        number=row.number,
        has_small_logo=row.small_logo is not None,
        formulary=row.formulary,
    )
    current_app.extensions[_KEPT] = ((number, changed_at), read)
    return read


def _with_environment(kept: HospitalFacts | None) -> HospitalFacts:
    settings = _settings()
    if kept is None:
        return HospitalFacts(settings.hospital_name, settings.hospital_address_lines)
    by_name, by_address = from_environment("hospital_name"), from_environment("hospital_address")
    return HospitalFacts(
        name=settings.hospital_name if by_name or not kept.name else kept.name,
        address=settings.hospital_address_lines if by_address or not kept.address else kept.address,
        telephone=kept.telephone,
        letterhead=kept.letterhead,
        logo=kept.logo,
        number=kept.number,
        has_small_logo=kept.has_small_logo,
        formulary=None if settings.formulary else kept.formulary,
    )


def _settings() -> Settings:
    settings: Settings = current_app.config["CSSS"]
    return settings
