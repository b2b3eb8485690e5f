"""Asked once more who is there: approving and erasing with a passkey, and with nothing else where that is required."""

import re
import uuid
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import delete

from csss.auth.passkeys.models import Passkey
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.authenticator import Authenticator
from tests.factories import SEEN, Clinic
from tests.integration.passkeys import REQUIRED, by_mail, question, register, told
from tests.visitor import Visitor, soup, words

BECAUSE = "Asked for by letter"


def erasable(clinic: Clinic) -> tuple[str, dict[str, str]]:
    """The address for erasing a patient, and what has to be typed there."""
    user = clinic.person("patient")
    assert user.patient is not None
    return f"/admin/patients/{user.id}/erase", {"reason": BECAUSE, "mrn": user.patient.mrn}


def asked(visitor: Visitor, address: str, typed: dict[str, str]) -> dict[str, Any]:
    answer = visitor.post(f"{address}/passkey", typed)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def codes(clinic: Clinic) -> list[EmailMessage]:
    return [mail for mail in clinic.mail if "one-time code" in mail["Subject"]]


def is_erased(address: str) -> bool:
    db.session.remove()
    return db.session.get_one(User, uuid.UUID(address.split("/")[3])).erased_at is not None


@pytest.fixture
def required(clinic: Clinic, device: Authenticator, settings: Any) -> Visitor:
    """An administrator who has registered a passkey where administrators need one."""
    visitor = by_mail(clinic, clinic.person("admin").email)
    register(visitor, device)
    return visitor


@pytest.mark.both_databases
def test_a_passkey_erases_exactly_the_patient_it_was_asked_for(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    this, typed = erasable(clinic)
    other, typed_there = erasable(clinic)
    page = admin.page(this)
    assert page.select_one("form[data-passkey=get] textarea[name=reason]")
    assert page.select("script[src*=passkey]") and page.select("input[name=code]")
    given = device.get(asked(admin, this, typed))
    answer = admin.post(other, typed_there | {"passkey": given, "code": ""})
    assert answer.status_code == 422 and "works once" in words(answer) and not is_erased(other)
    given = device.get(asked(admin, this, typed))
    assert admin.post(this, typed | {"passkey": given, "code": ""}).status_code == 303
    assert is_erased(this) and not is_erased(other)


def test_mistakes_in_the_form_are_told_before_the_passkey_is_asked(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    address, typed = erasable(clinic)
    for wrong, field in (({"reason": " "}, "reason"), ({"mrn": "12345678"}, "mrn")):
        answer = admin.post(f"{address}/passkey", typed | wrong)
        assert answer.status_code == 422 and list((answer.json or {})["errors"]) == [field]
    given = device.get(asked(admin, address, typed))
    answer = admin.post(address, typed | {"mrn": "1", "passkey": given})
    assert answer.status_code == 422 and BECAUSE in answer.text and not is_erased(address)


def test_with_a_passkey_registered_a_code_still_works_where_none_is_required(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    address, typed = erasable(clinic)
    assert "Enter the six-digit code" in words(admin.post(address, typed | {"passkey": "", "code": ""}))
    assert admin.post(f"{address}/code", typed).status_code == 200
    clinic.run_jobs("send_mail")
    (digits,) = re.findall(r"\b\d{6}\b", codes(clinic)[-1].get_content())
    assert admin.post(address, typed | {"passkey": "", "code": digits}).status_code == 303
    assert is_erased(address)


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_where_passkeys_are_required_nothing_is_approved_or_erased_with_a_code(
    clinic: Clinic, required: Visitor, settings: Any
) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    choice = str(required.post("/admin/approvals", {"scan": [str(scan)]}).location)
    erase, typed = erasable(clinic)
    sent = len(codes(clinic))
    for page, send, act in (
        (f"/admin/scans/{scan}", f"/admin/scans/{scan}/code", f"/admin/scans/{scan}/approve"),
        (choice, f"{choice}/code", f"{choice}/approve"),
        (erase, f"{erase}/code", erase),
    ):
        shown = required.page(page)
        assert shown.select("form[data-passkey=get]") and not shown.select("input[name=code]"), page
        assert not shown.select(f"form[action='{send}'], [formaction^='{send}']"), page
        for answer in (
            required.post(send, typed),
            required.post(act, SEEN | typed | {"code": "123456"}),
            required.post(act, SEEN | typed | {"code": "0123-4567-89ab-cdef"}),
        ):
            assert answer.status_code == 422, page
            assert "confirm this with a passkey here" in words(answer), page
            assert soup(answer).select_one("[data-passkey-problem]").get_text(), page  # type: ignore[union-attr]
    clinic.run_jobs("send_mail")
    assert len(codes(clinic)) == sent and not is_erased(erase)
    assert db.session.get_one(Scan, scan).status is Status.PHARMACIST_COMPLETED
    assert {each["reason"] for each in told("code.refused")} == {"passkey needed"}


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_where_passkeys_are_required_they_approve_and_erase(
    clinic: Clinic, required: Visitor, device: Authenticator, settings: Any
) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    given = device.get(question(required, f"/admin/scans/{scan}/passkey"))
    assert required.post(f"/admin/scans/{scan}/approve", SEEN | {"passkey": given}).status_code == 303
    address, typed = erasable(clinic)
    given = device.get(asked(required, address, typed))
    assert required.post(address, typed | {"passkey": given}).status_code == 303
    assert is_erased(address)


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_who_has_lost_the_passkey_meanwhile_reads_what_to_do_on_the_page(
    clinic: Clinic, required: Visitor, settings: Any
) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    choice = str(required.post("/admin/approvals", {"scan": [str(scan)]}).location)
    with transaction():
        db.session.execute(delete(Passkey))
    for page in (f"/admin/scans/{scan}", choice, erasable(clinic)[0]):
        shown = required.page(page)
        assert "You need a passkey for this" in shown.get_text(), page
        assert shown.select("a[href='/account/passkeys/new']") and not shown.select("input[name=code]"), page
    assert register(required, Authenticator()).status_code == 303
    assert required.page(choice).select("form[data-passkey=get]")
