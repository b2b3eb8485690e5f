"""Requests that no browser of ours sends: what they say of themselves is believed nowhere."""

import io
import logging
import os
import re

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from csss.auth import sessions
from csss.auth.models import UserSession
from csss.config import Settings
from csss.database import db, transaction
from csss.web.guard import MAX_FORM
from tests.factories import PASSWORD, Clinic
from tests.odd_values import HOSTS
from tests.visitor import Visitor

EVIL = ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"})


@pytest.mark.parametrize("settings", [{"trusted_proxies": 0}, {"trusted_proxies": 1}], indirect=True)
@pytest.mark.parametrize("headers", EVIL, ids=lambda headers: next(iter(headers)))
def test_no_answer_depends_on_what_a_request_calls_this_host(
    clinic: Clinic, nobody: Visitor, headers: dict[str, str]
) -> None:
    patient = clinic.visitor(clinic.person("patient"))
    for visitor, address in (
        (nobody, "/"),
        (nobody, "/login"),
        (nobody, "/patient/"),
        (patient, "/patient/"),
    ):
        answer = visitor.get(address, headers=headers)
        assert "evil.example" not in answer.get_data(as_text=True) + str(answer.headers), address
    for address, target in (
        ("/patient", "/patient/"),
        ("/patient?q=//evil.example", "/patient/?q=//evil.example"),
    ):
        answer = patient.get(address, headers=headers)
        assert (answer.status_code, answer.headers["Location"]) == (308, target)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "settings", [{}, {"trusted_proxies": 1}], indirect=True, ids=["direct", "behind a proxy"]
)
def test_whatever_the_host_is_said_to_be_pages_come_and_lead_to_our_own(
    nobody: Visitor, host: str, settings: Settings
) -> None:
    headers = {"X-Forwarded-Host" if settings.trusted_proxies else "Host": host}
    away = nobody.get("/models/%2e%2e%2f/x.png", headers=headers)
    assert away.status_code == 400 or (
        away.headers["Location"].startswith("/") and "//" not in away.headers["Location"]
    )
    assert nobody.get("/healthz", headers=headers).status_code == 200
    assert nobody.get("/login", headers=headers).status_code == 200
    assert nobody.get("/nothing-here", headers=headers).status_code == 404


@pytest.mark.parametrize("settings", [{"trusted_proxies": 1}], indirect=True)
def test_a_mail_leads_to_the_address_of_the_settings(clinic: Clinic, nobody: Visitor) -> None:
    form = {
        "role": "doctor",
        "name": "Dr. Eve",
        "email": "eve@csss.example",
        "password": "correct horse battery",
    }
    assert nobody.post("/register", form, headers={"X-Forwarded-Host": "evil.example"}).status_code == 303
    clinic.run_jobs("send_mail")
    text = clinic.mail[-1].get_content()
    assert "http://127.0.0.1:8000/confirm/" in text and "evil.example" not in text


class Counting(io.BytesIO):
    """Counts how much of it is read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize(
    "address", ["/login", "/register", "/assistant", "/patient/scans", "/doctor/templates"]
)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_strangers_flood_is_not_read(app: Flask, nobody: Visitor, address: str, kind: str) -> None:
    """The token of a form is looked for before anybody asks who this is; a large request is refused unread."""
    flood = Counting(b"x" * (MAX_FORM + 1))
    answer = nobody.client.post(address, input_stream=flood, content_length=MAX_FORM + 1, content_type=kind)
    assert answer.status_code == 413 or (answer.status_code, answer.headers["Location"]) == (302, "/login")
    assert flood.taken == 0


def test_who_may_send_a_picture_may_send_a_large_one(clinic: Clinic) -> None:
    """Noise does not compress: it is refused for what it is and not for its size."""
    patient = clinic.visitor(clinic.person("patient"))
    picture = FileStorage(io.BytesIO(os.urandom(MAX_FORM + 1_000_000)), "scan.png")
    answer = patient.post("/patient/scans", {"file": picture, "kind": "chest_xray", "indication": ""})
    assert answer.status_code == 422 and "no picture that can be read here" in answer.get_data(as_text=True)


def test_what_a_form_does_not_offer_cannot_be_set(clinic: Clinic, nobody: Visitor) -> None:
    """Fields of the tables, sent along, change nothing."""
    more = {
        "state": "active",
        "is_active": "1",
        "id": "00000000-0000-0000-0000-000000000001",
        "email_confirmed_at": "2026-01-01",
        "password_hash": "x",
        "totp_secret": "x",
        "complete": "1",
    }
    form = {"role": "admin", "name": "Eve", "email": "eve@csss.example", "password": "correct horse battery"}
    assert nobody.post("/register", {**form, **more}).status_code == 303
    answer = nobody.post("/login", {"email": form["email"], "password": form["password"]})
    assert answer.status_code == 403  # waits for approval
    patient = clinic.visitor(clinic.person("patient"))
    before = patient.user
    kept = {
        name: getattr(before, name)
        for name in ("id", "email", "role", "state", "password_hash", "totp_secret")
    }
    patient.post("/account", {**more, "name": "Eva", "role": "admin", "email": "b@csss.example", "mrn": "1"})
    after = patient.user
    assert {name: getattr(after, name) for name in kept} == kept
    assert after.name == "Eva"


def test_only_one_value_of_a_repeated_field_counts(clinic: Clinic) -> None:
    """The first, for the check and for what is kept alike; one in the address counts for nothing."""
    patient = clinic.visitor(clinic.person("patient"))
    patient.post("/account?name=Third", {"name": ["First", "Second"]})
    assert patient.user.name == "First"


def test_signing_in_takes_the_place_of_whatever_the_cookie_held(clinic: Clinic, nobody: Visitor) -> None:
    """Somebody at a shared computer cannot plant a session or the token of a form before another signs in."""
    villain, victim = clinic.person("doctor"), clinic.person("pharmacist")
    with transaction():
        _, waiting = sessions.begin(villain, address="", device="", complete=False)
    with nobody.client.session_transaction() as cookie:
        cookie |= {
            "csrf_token": "known",
            "pending_session": waiting,
            "next": "/doctor/",
            "_flashes": [("x", "y")],
        }
    answer = nobody.post("/login", {"email": victim.email, "password": PASSWORD})
    assert answer.headers["Location"] == "/pharmacist/"
    with nobody.client.session_transaction() as cookie:
        assert (
            cookie.get("csrf_token") != "known" and "pending_session" not in cookie and "next" not in cookie
        )
        key = cookie["_user_id"]
    assert sessions.find(waiting, complete=False, idle=sessions.PENDING_LIFE) is None
    rows = db.session.scalars(select(UserSession.user_id).where(UserSession.ended_at.is_(None))).all()
    assert rows == [victim.id]
    nobody.post("/logout")
    nobody.post("/login", {"email": victim.email, "password": PASSWORD})
    with nobody.client.session_transaction() as cookie:
        assert cookie["_user_id"] != key


def test_a_link_of_another_kind_confirms_nothing(app: Flask, clinic: Clinic, nobody: Visitor) -> None:
    """Signed with our key, but for something else."""
    user = clinic.person("patient", confirmed=False)
    for salt in ("wtf-csrf-token", "cookie-session", "reset-password", "itsdangerous.Signer", ""):
        token = URLSafeTimedSerializer(app.secret_key, salt=salt).dumps([str(user.id), user.email])
        nobody.post(f"/confirm/{token}")
        assert nobody.get(f"/confirm/{token}").status_code in {400, 404, 410, 422}
    assert clinic.visitor(user).user.email_confirmed_at is None


def test_no_answer_sets_a_cookie_that_a_browser_would_drop(clinic: Clinic, nobody: Visitor) -> None:
    """A link with a long way on must not keep somebody from signing in: browsers drop cookies of 4096 bytes."""
    admin = clinic.person("admin")
    for length in (900, 3000, 9000):
        target = "/admin/?q=" + "x" * length
        form = {"email": admin.email, "password": PASSWORD, "next": target}
        for answer in (nobody.get("/login", query_string={"next": target}), nobody.post("/login", form)):
            assert all(len(cookie) < 4096 for cookie in answer.headers.getlist("Set-Cookie")), length
        assert answer.headers["Location"] == "/login/code"


def test_nothing_that_is_sent_forges_a_line_of_the_log(
    app: Flask, nobody: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: object) -> str:
        raise RuntimeError("broken")

    kept = app.view_functions["auth.confirm"]
    broken.permission = kept.permission  # type: ignore[attr-defined]
    app.view_functions["auth.confirm"], app.testing, app.config["PROPAGATE_EXCEPTIONS"] = broken, False, False
    forged = "a\n2026-11-26 12:00:00 INFO csss: session of admin"
    with caplog.at_level(logging.DEBUG):
        assert nobody.get("/confirm/abc").status_code == 500
        for address in ("/confirm/a%0A2026-11-26", "/confirm/a%0D%0A2026", "/confirm/%1b[31m", "/%0anowhere"):
            assert nobody.get(address, headers={"User-Agent": forged.replace("\n", " ")}).status_code == 400
        nobody.post("/login", {"email": forged, "password": forged})
    app.view_functions["auth.confirm"], app.testing = kept, True
    assert caplog.records
    for record in caplog.records:
        # By itself: four digits within the number of a request mean nothing.
        assert not re.search("(?<![0-9a-f])2026(?![0-9a-f])", record.getMessage()), record.getMessage()
        assert "\n" not in record.getMessage(), record.getMessage()
