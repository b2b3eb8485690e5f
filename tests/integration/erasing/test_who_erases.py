"""Who erases a patient and when: on the command line or on the page, after a legal hold, and never by itself."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from csss.audit.models import AuditEvent
from csss.auth.models import OneTimeCode
from csss.cli import main
from csss.clock import now
from csss.config import Settings
from csss.database import Base, db, transaction
from csss.erasing import leftovers, queries, retention
from csss.erasing.models import Erasure, LegalHold
from csss.errors import StateConflict
from csss.people.models import Patient, User
from tests.factories import PASSWORD, Clinic
from tests.integration.erasing.life import (
    CANARY,
    Life,
    dump,
    erase,
    erase_address,
    erasure_row,
    fresh_code,
    holders,
)
from tests.visitor import words

# On the command line


def test_whoever_runs_the_server_erases_with_the_mrn_typed_twice(
    life: Life, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(settings.instance)
    for name in ("instance", "mail_folder", "secret_key", "redis_url", "bcrypt_rounds"):
        monkeypatch.setenv(f"CSSS_{name.upper()}", str(getattr(settings, name)))
    db.session.remove()
    csss, why = CliRunner(), ("--reason", "Asked for by letter")
    differ = csss.invoke(main, ["erase-patient", life.mrn, *why], input="12345678\n")
    assert differ.exit_code == 1 and "Nothing has been erased." in differ.output
    unknown = csss.invoke(main, ["erase-patient", "12345678", *why, "--yes"])
    assert unknown.exit_code == 1 and "There is no patient with this MRN." in unknown.output
    done = csss.invoke(main, ["erase-patient", life.mrn, *why], input=f"{life.mrn}\n")
    assert done.exit_code == 0, done.output
    assert (
        f"{len(life.scans)} scans" in done.output
        and "No trace is left in the database's file." in done.output
    )
    assert CANARY.encode() not in (Path(settings.instance) / "csss.db").read_bytes().lower()
    (erasure,) = queries.erasures().rows
    assert (erasure.by_id, erasure.origin) == (None, "command line")
    db.session.remove()  # whoever reads on is waited for
    again = csss.invoke(main, ["finish-erasures"])
    assert again.exit_code == 0 and "All files of erased patients are gone." in again.output


# On the page


def test_an_administrator_erases_with_reason_mrn_and_code(life: Life) -> None:
    visitor = life.clinic.visitor(db.session.get_one(User, life.admin))
    account = visitor.page(f"/admin/users/{life.patient}")
    assert account.select_one(f"a[href='{erase_address(life)}']")
    assert life.mrn in words(visitor.get(erase_address(life)))
    code = fresh_code(life, visitor)
    right = {"reason": "Asked for by letter", "mrn": life.mrn, "code": code}
    for wrong, sentence in (
        ({"reason": " "}, "Give the reason"),
        ({"mrn": "12345678"}, "This is not the MRN of this patient"),
        ({"code": ""}, "Enter the six-digit code"),
        ({"code": "000000" if code != "000000" else "111111"}, "This code is not right"),
    ):
        answer = visitor.post(erase_address(life), right | wrong)
        assert answer.status_code == 422 and sentence in words(answer), sentence
        assert db.session.get_one(User, life.patient).erased_at is None
    done = visitor.post(erase_address(life), right)
    assert (done.status_code, done.location) == (303, f"/admin/users/{life.patient}")
    text = words(visitor.get(done.location))
    assert (
        "This patient has been erased" in text
        and "Asked for by letter" in text
        and CANARY not in text.lower()
    )
    again = visitor.post(erase_address(life), right)
    assert again.status_code == 409 and "erased already" in words(again)
    mine = {"current_password": PASSWORD}
    assert visitor.post(f"/admin/users/{life.patient}/reactivate?at=account", mine).status_code == 409
    assert str(life.patient)[:8] in words(visitor.get("/admin/erasing?show=erased"))
    # A code for erasing one patient approves nothing and erases nobody else.
    used = db.session.scalars(select(OneTimeCode).where(OneTimeCode.user_id == life.admin)).all()
    assert {code.used_at is not None for code in used} == {True}


def test_only_administrators_come_near_it(life: Life) -> None:
    for role in ("doctor", "pharmacist", "patient"):
        visitor = life.clinic.visitor(life.clinic.person(role))
        assert visitor.get(erase_address(life)).status_code == 403
        holds = [f"/admin/users/{life.patient}/{each}" for each in ("legal-hold", "lift-legal-hold")]
        for address in (erase_address(life), f"{erase_address(life)}/code", *holds):
            assert visitor.post(address).status_code == 403, address
        assert visitor.get("/admin/erasing").status_code == 403
    admin = life.clinic.visitor(db.session.get_one(User, life.admin))
    assert admin.get(f"/admin/patients/{life.admin}/erase").status_code == 404  # only patients are erased


@pytest.mark.both_databases
def test_a_legal_hold_keeps_the_data_until_it_is_lifted(life: Life) -> None:
    visitor = life.clinic.visitor(db.session.get_one(User, life.admin))
    page = f"/admin/users/{life.patient}"
    assert visitor.post(f"{page}/legal-hold", {"reason": " "}).status_code == 422
    assert visitor.post(f"{page}/legal-hold", {"reason": f"Lawsuit of {CANARY}"}).status_code == 303
    assert visitor.post(f"{page}/legal-hold", {"reason": "Another"}).status_code == 409
    assert "Lawsuit" in words(visitor.get(page))
    for address in (erase_address(life), f"{erase_address(life)}/code"):
        answer = visitor.post(address, {"reason": "Asked for", "mrn": life.mrn, "code": "123456"})
        assert answer.status_code == 409 and "legal hold" in words(answer)
    with pytest.raises(StateConflict, match="legal hold"):
        erase(life)
    patient = db.session.scalars(select(Patient.id).where(Patient.user_id == life.patient)).one()
    db.session.commit()
    with pytest.raises(IntegrityError, match="legal hold"), db.engine.connect() as connection:
        connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(erasure_row(patient)))
    assert visitor.post(f"{page}/lift-legal-hold", {"reason": "Settled"}).status_code == 303
    actions = db.session.scalars(
        select(AuditEvent.action).where(AuditEvent.action.like("patient.hold%")).order_by(AuditEvent.id)
    ).all()
    assert actions == ["patient.hold_placed", "patient.hold_lifted"]
    erase(life)
    assert holders(dump(), CANARY) == set()
    assert db.session.scalars(select(LegalHold)).all() == []


@pytest.mark.parametrize("settings", [{"retention_days": 30}], indirect=True)
def test_what_is_due_is_listed_and_never_erased_by_itself(clinic: Clinic) -> None:
    admin, patient = clinic.visitor(clinic.person("admin")), clinic.person("patient", name="Long Ago").id
    recent = clinic.person("patient", name="Just Now")
    clinic.scan(patient=recent)
    with transaction():
        for each in (patient, recent.id):
            db.session.get_one(User, each).created_at = now() - timedelta(days=31)
    text = words(admin.get("/admin/erasing"))
    assert "Long Ago" in text and "Just Now" not in text
    assert admin.post(f"/admin/users/{patient}/legal-hold", {"reason": "Lawsuit"}).status_code == 303
    assert [(each.patient.user.name, each.held) for each in retention.due().rows] == [("Long Ago", True)]
    clinic.run_jobs()
    leftovers.sweep()
    assert db.session.scalars(select(Erasure)).all() == []


def test_nobody_is_due_where_data_is_kept_for_ever(clinic: Clinic) -> None:
    admin = clinic.visitor(clinic.person("admin"))
    assert "kept without a time limit" in words(admin.get("/admin/erasing"))
    assert "No patient has been erased" in words(admin.get("/admin/erasing?show=erased"))
