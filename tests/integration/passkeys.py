"""Registering a passkey, signing in with it, and what is kept and recorded of it."""

import re
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.audit.models import AuditEvent
from csss.auth.passkeys.models import Passkey
from csss.database import db
from tests.authenticator import Authenticator
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor

ORIGIN = "http://localhost:8000"
REQUIRED = {"admin_passkey": True}


def register(visitor: Visitor, device: Authenticator, name: str = "My phone") -> TestResponse:
    """Send both requests of the page, with the device's answer."""
    asked = visitor.post("/account/passkeys/question", {"name": name, "current_password": PASSWORD})
    assert asked.status_code == 200, asked.text
    return visitor.post("/account/passkeys", {"name": name, "passkey": device.create(asked.json or {})})


def question(visitor: Visitor, address: str) -> dict[str, Any]:
    answer = visitor.post(address)
    assert answer.status_code == 200 and answer.mimetype == "application/json", answer.text
    return dict(answer.json or {})


def password(visitor: Visitor, email: str) -> TestResponse:
    return visitor.post("/login", {"email": email, "password": PASSWORD})


def keys() -> list[Passkey]:
    db.session.remove()
    return list(db.session.scalars(select(Passkey).order_by(Passkey.created_at)))


def told(action: str) -> list[dict[str, Any]]:
    db.session.remove()
    return [
        dict(each.detail)
        for each in db.session.scalars(
            select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        )
    ]


def at_the_second_step(clinic: Clinic, doctor: Visitor) -> Visitor:
    visitor = Visitor(clinic.app)
    assert password(visitor, doctor.user.email).location == "/login/code"
    return visitor


def by_mail(clinic: Clinic, email: str) -> Visitor:
    """An administrator who has signed in with the mailed code."""
    visitor = Visitor(clinic.app)
    assert password(visitor, email).location == "/login/code"
    clinic.run_jobs("send_mail")
    (code,) = re.findall(r"\b\d{6}\b", clinic.mail[-1].get_content())
    assert visitor.post("/login/code", {"code": code}).status_code == 303
    return visitor
