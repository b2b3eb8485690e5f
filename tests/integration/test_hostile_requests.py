"""Requests that no browser of ours sends: what they say of themselves is believed nowhere."""

import io
import os

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

from csss.web.guard import MAX_FORM
from tests.factories import Clinic
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
        assert "evil" not in answer.get_data(as_text=True) + str(answer.headers), address
    for address, target in (
        ("/patient", "/patient/"),
        ("/patient?q=//evil.example", "/patient/?q=//evil.example"),
    ):
        answer = patient.get(address, headers=headers)
        assert (answer.status_code, answer.headers["Location"]) == (308, target)


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
    assert "http://127.0.0.1:8000/confirm/" in text and "evil" not in text


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
    assert answer.status_code == 422 and "not a JPEG or PNG" in answer.get_data(as_text=True)


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
