"""Approving with a passkey: exactly the reports that it was asked for."""

import json
import uuid

import pytest

from csss.database import db
from csss.reports import queries as reports
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.authenticator import Authenticator
from tests.factories import SEEN, Clinic
from tests.integration.passkeys import question, register, told
from tests.visitor import Visitor, words


@pytest.mark.both_databases
def test_a_passkey_approves_exactly_the_report_it_was_asked_for(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    this = clinic.scan(Status.PHARMACIST_COMPLETED).id
    other = clinic.scan(Status.PHARMACIST_COMPLETED).id
    form = admin.page(f"/admin/scans/{this}").select_one("form[data-passkey=get]")
    assert form is not None and form["action"] == f"/admin/scans/{this}/approve"
    given = device.get(question(admin, f"/admin/scans/{this}/passkey"))
    answer = admin.post(f"/admin/scans/{other}/approve", SEEN | {"passkey": given})
    assert answer.status_code == 422 and "works once" in words(answer)
    assert admin.post(f"/admin/scans/{this}/approve", SEEN | {"passkey": given}).status_code == 303
    db.session.remove()
    assert db.session.get_one(Scan, other).status is Status.PHARMACIST_COMPLETED
    approval = reports.approval(db.session.get_one(Scan, this))
    assert approval is not None and approval.second_factor == "passkey"
    assert "with a passkey" in words(admin.get(f"/admin/scans/{this}"))
    assert admin.post(f"/admin/scans/{this}/passkey").status_code == 409
    assert told("passkey.used") == [{"purpose": "approval"}]


def test_an_answer_for_signing_in_approves_nothing(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    nobody = Visitor(clinic.app)
    question(admin, f"/admin/scans/{scan}/passkey")
    given = device.get(question(nobody, "/login/passkey/question"))
    assert admin.post(f"/admin/scans/{scan}/approve", SEEN | {"passkey": given}).status_code == 422
    assert db.session.get_one(Scan, scan).status is Status.PHARMACIST_COMPLETED


def test_a_passkey_approves_a_choice_of_reports_and_no_other(
    clinic: Clinic, admin: Visitor, device: Authenticator
) -> None:
    register(admin, device)
    ids = [clinic.scan(Status.PHARMACIST_COMPLETED).id for _ in range(3)]

    def choose(*chosen: uuid.UUID) -> str:
        return str(admin.post("/admin/approvals", {"scan": [str(each) for each in chosen]}).location)

    first = choose(ids[0], ids[1])
    assert admin.page(first).select_one("form[data-passkey=get]")
    given = device.get(question(admin, f"{first}/passkey"))
    second = choose(ids[1], ids[2])
    assert admin.post(f"{first}/passkey").status_code == 409  # another choice has replaced this one
    assert admin.post(f"{first}/approve", {"passkey": given}).status_code == 409
    assert admin.post(f"{second}/approve", {"passkey": given}).status_code == 422
    given = device.get(question(admin, f"{second}/passkey"))
    assert admin.post(f"{second}/approve", {"passkey": given}).status_code == 303
    db.session.remove()
    assert [db.session.get_one(Scan, each).status is Status.REPORT_READY for each in ids] == [
        False,
        True,
        True,
    ]


def test_who_has_none_is_not_asked_for_one(clinic: Clinic, admin: Visitor) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    assert not admin.page(f"/admin/scans/{scan}").select("form[data-passkey]")
    answer = admin.post(f"/admin/scans/{scan}/passkey")
    assert answer.status_code == 409 and "No passkey is registered" in json.dumps(answer.json)
