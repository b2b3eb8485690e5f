"""After `csss restore --other-key`: what cannot be opened is told as such, and other ways are offered."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask

from csss import create_app
from csss.auth import authenticator_app, second_factor
from csss.clock import now
from csss.config import Settings
from csss.database import db, transaction
from csss.key_checks import SECRET_KEY, KeyCheck, secret_key_value
from csss.notices.models import MailKind, MailMessage, MailState
from csss.people.models import User
from csss.scans.states import Status
from csss.storage.folder import FolderStorage
from tests.factories import PASSWORD, Clinic
from tests.integration.command_line import done, refused
from tests.integration.test_storage_key_checks import RIGHT, WRONG
from tests.integration.test_wrong_keys import OTHER
from tests.visitor import Visitor, words

ADMIN, PATIENT = "admin@csss.example", "patient@csss.example"
APP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def moved(app: Flask, clinic: Clinic, settings: Settings, tmp_path: Path) -> tuple[Settings, str]:
    """An administrator with an app and a patient with a pass phrase and a report, on a new machine with another key.
    Returns its settings and what the command told."""
    admin, patient, secret = (
        clinic.person("admin", email=ADMIN),
        clinic.person("patient", email=PATIENT),
        APP,
    )
    with transaction():
        user = db.session.get_one(User, admin.id)
        authenticator_app.confirm_totp(user, secret, pyotp.TOTP(secret).at(now() - timedelta(seconds=30)))
        second_factor.new_recovery_codes(user)
    clinic.set_passphrase(patient)
    clinic.scan(Status.REPORT_READY, patient=patient)  # its report is owed, and the mail that takes it along
    clinic.visitor(patient)
    done(settings, "backup", tmp_path / "copy")
    new = replace(
        settings, instance=str(tmp_path / "new"), secret_key=OTHER, mail_folder=str(tmp_path / "new" / "mail")
    )
    assert "The secret key is not the one" in refused(new, "restore", tmp_path / "copy")
    return new, done(new, "restore", tmp_path / "copy", "--other-key")


def test_the_command_lists_what_was_lost_and_the_database_knows_the_new_key(
    moved: tuple[Settings, str],
) -> None:
    new, told = moved
    for sentence in (
        "Lost: 1 authenticator apps do not open.",
        "Lost: 1 report pass phrases do not open.",
        "Ended: 10 recovery codes.",
        "Everybody has to sign in again.",
    ):
        assert sentence in told
    done(new, "finish-erasures")
    with create_app(new).app_context():
        kept = db.session.get_one(KeyCheck, SECRET_KEY)
        assert kept.value == secret_key_value(OTHER)
        db.session.remove()
        db.engine.dispose()


def test_an_administrator_signs_in_with_a_mailed_code_and_sets_the_app_up_anew(
    moved: tuple[Settings, str],
) -> None:
    app = create_app(moved[0])
    app.testing = True
    with app.app_context():
        clinic, visitor = Clinic(app), Visitor(app)
        visitor.get("/login")
        answer = visitor.post("/login", {"email": ADMIN, "password": PASSWORD})
        page = visitor.page("/login/code")
        assert answer.status_code == 303
        told = page.get_text(" ", strip=True)
        assert "Codes of your authenticator app cannot be checked any more" in told
        assert "A six-digit code is on its way" in told and "Use a recovery code" in told
        assert "works as well" not in told
        wrong = visitor.post("/login/code", {"code": pyotp.TOTP(APP).now()})
        assert wrong.status_code == 422
        clinic.run_jobs()
        (mailed,) = (each for each in clinic.mail if "one-time code" in each["Subject"])
        (code,) = re.findall(r"\b[0-9]{6}\b", mailed.get_content())
        assert visitor.post("/login/code", {"code": code}).status_code == 303
        account = visitor.page("/account").select_one("#second-step")
        assert account is not None
        assert "Your authenticator app has to be set up again." in account.get_text(" ", strip=True)
        set_up = visitor.page("/account/authenticator")
        sealed = set_up.select_one("input[name=set_up]")
        assert sealed is not None
        fresh = "".join(set_up.select_one(".setup-key").get_text().split())  # type: ignore[union-attr]
        done_ = visitor.post(
            "/account/authenticator",
            {"set_up": sealed["value"], "code": pyotp.TOTP(fresh).now(), "current_password": PASSWORD},
        )
        assert done_.status_code == 303
        user = db.session.scalars(sa.select(User).where(User.email == ADMIN)).one()
        assert authenticator_app.has_app(user) and not authenticator_app.app_is_lost(user)
        db.session.remove()
        db.engine.dispose()


def test_reports_go_out_as_a_notice_and_the_patient_is_told_to_set_the_pass_phrase_anew(
    moved: tuple[Settings, str],
) -> None:
    app = create_app(moved[0])
    app.testing = True
    with app.app_context():
        clinic = Clinic(app)
        clinic.run_jobs()
        message = db.session.scalars(
            sa.select(MailMessage).where(MailMessage.kind == MailKind.REPORT_READY)
        ).one()
        assert message.state is MailState.SENT
        (notice,) = (each for each in clinic.mail if each["Subject"].startswith("Your report is ready"))
        assert list(notice.iter_attachments()) == []
        patient = clinic.visitor(db.session.scalars(sa.select(User).where(User.email == PATIENT)).one())
        assert "Set the report pass phrase again" in words(patient.get("/patient/"))
        card = patient.page("/account").select_one("#passphrase")
        assert card is not None and "Your pass phrase has to be set again." in card.get_text(" ", strip=True)
        sent = {
            "section": "passphrase",
            "report_passphrase": "open my next report",
            "current_password": PASSWORD,
        }
        assert patient.post("/account", sent).status_code == 303
        assert "anew" not in words(patient.get("/account"))
        db.session.remove()
        db.engine.dispose()


def test_an_administrator_sees_whose_app_has_to_be_set_up_anew(moved: tuple[Settings, str]) -> None:
    app = create_app(moved[0])
    app.testing = True
    with app.app_context():
        clinic = Clinic(app)
        other = clinic.visitor(clinic.person("admin", email="another@csss.example"))
        user = db.session.scalars(sa.select(User).where(User.email == ADMIN)).one()
        assert "has to be set up again" in words(other.get(f"/admin/users/{user.id}"))
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("settings", [{"storage_keys": RIGHT}], indirect=True)
def test_another_storage_key_is_refused_and_a_missing_one_is_told_with_its_files(
    app: Flask, clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    scan_key = clinic.scan().file_key
    done(settings, "backup", tmp_path / "copy")
    new = replace(settings, instance=str(tmp_path / "new"))
    told = refused(replace(new, storage_keys=WRONG), "restore", tmp_path / "copy")
    assert "The key with the id k1 in CSSS_STORAGE_KEYS is not this database's key" in told
    assert not list(FolderStorage(new.storage_folder).stored())
    told = done(replace(new, storage_keys=""), "restore", tmp_path / "copy")
    assert (
        "3 files do not open: they need the key k1, which CSSS_STORAGE_KEYS does not name (" in told
        and scan_key in told
    )
    done(new, "storage", "check")
