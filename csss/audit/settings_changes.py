"""Record changes of the settings or the classifier when a process starts with them: they come from outside."""

import hashlib
import logging
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from csss.audit import chain
from csss.audit.models import AuditEvent
from csss.audit.record import coming_from, record
from csss.config import Settings, environment_name
from csss.database import db, transaction
from csss.inference import ModelCorrupt, ModelMissing
from csss.inference.labels import default_folder, read_info

log = logging.getLogger(__name__)

_SECRET = re.compile("key|password|secret|token")
# These differ from machine to machine and do not affect patients.
_OF_THE_MACHINE = frozenset({"instance", "host", "port", "web_threads", "web_processes", "live_streams"})


def record_settings(part: str) -> None:
    """Record settings and model of this `part` (web or worker) if they differ from those of its last start.

    A database that does not answer or does not exist yet must not prevent the start.
    """
    try:
        now_set = in_effect(current_app.config["CSSS"])
        with coming_from(part), transaction():
            chain.lock()  # several processes start at once; the lock lets one of them record
            before = _last(part)
            changed = sorted(
                name for name in now_set.keys() | before.keys() if now_set.get(name) != before.get(name)
            )
            if changed:
                record("settings.changed", part=part, changed=changed if before else [], settings=now_set)
    except SQLAlchemyError as error:
        log.warning("the settings are not recorded, the database does not answer: %s", type(error).__name__)
    finally:
        db.session.remove()


def in_effect(settings: Settings) -> dict[str, Any]:
    """Every setting by its variable's name, and the model with its hash. Of a secret only whether it is set."""
    found = {
        environment_name(each.name): _shown(each.name, getattr(settings, each.name))
        for each in fields(Settings)
        if each.name not in _OF_THE_MACHINE
    }
    return {**found, "secret key": chain.current_key().id, "model": _model(settings)}


def _shown(name: str, value: Any) -> Any:
    if _SECRET.search(name):
        return "set" if value else ""
    if isinstance(value, str) and "://" in value and "@" in value:
        return sa.make_url(value).render_as_string(hide_password=True)
    return value


def _model(settings: Settings) -> str:
    """Version and SHA-256 of the installed classifier: the file may have changed under the same name. Which version an
    administrator has put into use is recorded by that step itself."""
    try:
        folder = Path(settings.model).expanduser() if settings.model else default_folder()
        digest = hashlib.sha256()
        for file in sorted(each for each in folder.iterdir() if each.suffix in {".tflite", ".json", ".npz"}):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return f"{read_info(folder).version} {digest.hexdigest()[:16]}"
    except (ModelMissing, ModelCorrupt, OSError) as error:
        return f"none: {type(error).__name__}"


def _last(part: str) -> dict[str, Any]:
    """The last record for this part; empty when there is none."""
    newest = (
        sa.select(AuditEvent.detail)
        .where(AuditEvent.action == "settings.changed", AuditEvent.origin == part)
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
        .limit(1)
    )
    detail = db.session.scalars(newest).first()
    return detail["settings"] if detail else {}
