"""Somebody is erased while a form of theirs is on its way: it comes too late, and nothing that it carried is kept."""

import io
import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from csss.database import db, transaction
from csss.erasing import services as erasing
from csss.people.models import User
from csss.scans import intake, services
from csss.scans.models import Scan
from csss.scans.uploads.models import Upload
from csss.storage.files import storage
from tests.factories import PASSWORD, Clinic, picture
from tests.visitor import Visitor

HASH = "$2b$04$aaaaaaaaaaaaaaaaaaaaaexGx5Ns1X2bYqfIbvXKzvNfMSzkaTR5e"


@pytest.fixture
def patient(clinic: Clinic) -> Visitor:
    """As in life, where a fault becomes an answer."""
    visitor = clinic.visitor(clinic.person("patient"))
    visitor.app.testing = False
    visitor.app.config["PROPAGATE_EXCEPTIONS"] = False
    return visitor


def erase(user_id: uuid.UUID) -> None:
    mrn = db.session.get_one(User, user_id).patient.mrn  # type: ignore[union-attr]
    with transaction():
        erasing.erase_as_deployer(mrn, reason="Asked for by letter", password_hash=HASH)


def send(patient: Visitor) -> TestResponse:
    scan = {"kind": "chest_xray", "indication": "Cough"}
    return patient.post("/patient/scans", scan | {"file": (io.BytesIO(picture()), "scan.png")})


@pytest.mark.both_databases
def test_a_picture_that_was_being_opened_is_not_kept(
    patient: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in = intake.take_in

    def meanwhile(content: bytes, *, limit: int) -> intake.Intake:
        taken = take_in(content, limit=limit)
        erase(patient.user_id)  # type: ignore[arg-type]
        return taken

    monkeypatch.setattr(intake, "take_in", meanwhile)
    assert send(patient).status_code == 404
    assert list(storage().stored()) == []
    assert db.session.scalar(select(func.count()).select_from(Scan)) == 0


def test_a_picture_whose_scan_the_database_refuses_is_not_kept(
    patient: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        db.session.execute(text("INSERT INTO scans (id) VALUES ('1')"))

    monkeypatch.setattr(services, "submit_scan", refused)
    with pytest.raises(IntegrityError), transaction():
        refused()
    assert send(patient).status_code == 500
    assert list(storage().stored()) == []


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "form",
    [
        {"section": "profile", "name": "Back Again", "phone": "+49 30 1234567"},
        {"section": "password", "current_password": PASSWORD, "new_password": "seven unlikely badgers 9"},
        {"section": "passphrase", "current_password": PASSWORD, "report_passphrase": "opens my reports"},
    ],
    ids=lambda form: form["section"],
)
def test_what_was_typed_on_the_account_page_changes_nothing(
    patient: Visitor, monkeypatch: pytest.MonkeyPatch, form: dict[str, str]
) -> None:
    # Erased when everything has been looked at, just before the change begins.
    _erased_before("csss.web.account.routes.transaction", patient, monkeypatch)
    form = {"repeat_password": form.get("new_password", ""), **form}
    assert patient.post("/account", form).status_code == 404
    user = db.session.get_one(User, patient.user_id)
    assert (user.name, user.password_hash) == (erasing.NOBODY, HASH)
    assert user.patient is not None and user.patient.phone == "" and user.patient.report_passphrase is None


@pytest.mark.both_databases
def test_an_upload_in_pieces_is_not_begun(patient: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    _erased_before("csss.web.patient.uploads.transaction", patient, monkeypatch)
    assert patient.post("/patient/uploads", headers={"Upload-Length": "1000"}).status_code == 404
    assert db.session.scalar(select(func.count()).select_from(Upload)) == 0


def _erased_before(begins: str, patient: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile() -> Callable[..., object]:
        monkeypatch.undo()
        erase(patient.user_id)  # type: ignore[arg-type]
        return transaction()  # type: ignore[return-value]

    monkeypatch.setattr(begins, meanwhile)
