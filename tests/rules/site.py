"""A clinic with people of every role and a scan in every situation, made once for the tests that only look."""

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from csss import create_app
from csss.auth import invitations
from csss.auth.accounts import confirmation_token
from csss.auth.models import PasswordReset
from csss.auth.passkeys.models import Passkey
from csss.auth.password_reset import draw_token
from csss.database import db, transaction
from csss.inference.labels import read_info
from csss.notices.models import MailMessage
from csss.people.models import User
from csss.prescriptions.models import PrescriptionTemplate
from csss.recalibration import services as recalibration
from csss.records import addresses, merging
from csss.records import services as services_of_records
from csss.reports import batches, queries
from csss.reports import services as reports
from csss.scans import (
    analysis,
    assignments,
    report_templates,
    second_readings,
    services,
    stored_sentences,
)
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import HoldFor, Status
from tests.conftest import settings_for
from tests.factories import Clinic, reading
from tests.findings import reading_with_findings
from tests.hospital import keep_fitted_version
from tests.visitor import Visitor

ROLES = ("patient", "doctor", "pharmacist", "admin")


@dataclass
class Site:
    """`scans` names situations; all of these scans belong to `people["patient"]`."""

    app: Flask
    clinic: Clinic
    people: dict[str, uuid.UUID] = field(default_factory=dict)
    scans: dict[str, uuid.UUID] = field(default_factory=dict)
    report: uuid.UUID = field(default_factory=uuid.uuid4)
    message: uuid.UUID = field(default_factory=uuid.uuid4)
    batch: uuid.UUID = field(default_factory=uuid.uuid4)
    token: str = ""
    reset_token: str = ""
    invitation: uuid.UUID = field(default_factory=uuid.uuid4)
    invitation_token: str = ""
    record: uuid.UUID = field(default_factory=uuid.uuid4)  # of a patient without an account
    record_token: str = ""
    merge: uuid.UUID = field(default_factory=uuid.uuid4)
    opened: dict[Any, Any] = field(default_factory=dict)  # pages by role, see opened_pages.py

    def visitor(self, role: str | None) -> Visitor:
        """Freshly signed in; None is nobody."""
        if role is None:
            return Visitor(self.app)
        user = db.session.get_one(User, self.people[role])
        visitor = self.clinic.visitor(user)
        db.session.remove()
        return visitor

    def addresses(self, rule: Rule, **instead: object) -> dict[str, str]:
        """The addresses of a route, by what they are about: one for each situation of a scan.

        `instead` puts other ids in place of those that are known.
        """
        known: dict[str, object] = {
            "report_id": self.report,
            "message_id": self.message,
            "batch_id": self.batch,
            "job_id": uuid.uuid4(),
            "alarm_id": uuid.uuid4(),
            "upload_id": uuid.uuid4(),
            "template_id": report_templates.of(db.session.get_one(User, self.people["doctor"]))[0].id,
            "preset_id": db.session.scalars(select(PrescriptionTemplate.id)).first(),
            "user_id": self.people["waiting"],
            "invitation_id": self.invitation,
            "patient_id": self.record,
            "merge_id": self.merge,
            "session_id": uuid.uuid4(),
            "token": {
                "auth.reset_password": self.reset_token,
                "auth.accept_invitation": self.invitation_token,
                "auth.confirm_record": self.record_token,
            }.get(rule.endpoint, self.token),
            "passkey_id": uuid.uuid4(),
            "path": "icons.svg",
            "version": read_info().version,
            "name": "confusion",
            "finding": "Effusion",
            "number": 1,
        } | instead
        with self.app.test_request_context():
            values = {name: known[name] for name in rule.arguments if name in known}
            argument, about = "scan_id", {"": None}
            if "scan_id" in rule.arguments and "scan_id" not in instead:
                about = self.scans
            if "user_id" in rule.arguments and "user_id" not in instead:
                # Staff, and a patient, of whom there is more to say.
                argument, about = "user_id", {each: self.people[each] for each in ("waiting", "patient")}
            return {
                name: str(
                    self.app.url_map.bind("").build(rule.endpoint, values | ({argument: id_} if id_ else {}))
                )
                for name, id_ in about.items()
            }


def make_site(folder: Path, migrated: Path) -> Iterator[Site]:
    shutil.copy(migrated, folder / "csss.db")
    app = create_app(settings_for(folder))
    app.testing = True
    with app.app_context():
        site = Site(app, Clinic(app))
        _furnish(site)
        db.session.remove()
        yield site
        db.session.remove()
        db.engine.dispose()


def _furnish(site: Site) -> None:
    clinic = site.clinic
    people = {role: clinic.person(role) for role in ROLES}
    people |= {f"another {role}": clinic.person(role) for role in ROLES}
    people["waiting"] = clinic.person("doctor", active=False)
    site.people = {name: user.id for name, user in people.items()}
    site.token = confirmation_token(clinic.person("patient", confirmed=False))
    of: dict[str, User] = {role: people[role] for role in ROLES}
    with transaction():
        reset = PasswordReset(id=uuid.uuid4(), user_id=people["another patient"].id)
        db.session.add(reset)
        site.reset_token = draw_token(reset)
        invited = invitations.invite(
            email="new@csss.example", name="Nora New", role="doctor", by=people["admin"]
        )
        site.invitation, site.invitation_token = invited.id, invitations.draw_token(invited)
        same = {"name": "Rani Record", "date_of_birth": "1970-05-06", "sex": "female"}
        record = services_of_records.make(
            services_of_records.Typed(**same, email="rani@csss.example"), another=False, by=people["admin"]
        )
        twice = services_of_records.make(services_of_records.Typed(**same), another=True, by=people["admin"])
        site.record, site.record_token = record.id, addresses.token_of(record)
        site.merge = merging.merge(
            record.id,
            twice.id,
            reason="Registered twice",
            confirmed=(),
            seen=merging.seen_of(record, twice),
            by=people["admin"],
        ).id
        for number, role in enumerate(ROLES):
            values = {"name": "My phone", "public_key": b"", "sign_count": 0, "synced": True}
            db.session.add(Passkey(user_id=people[role].id, credential_id=f"AAA{number}", **values))
    named = reading_with_findings("Normal", confidence=0.91, Effusion=0.62)
    make = {
        "uploaded": clinic.scan(patient=of["patient"]),
        "queued": clinic.scan(patient=of["patient"]),
        "failed": clinic.scan(patient=of["patient"]),
        "without classifier": clinic.scan(patient=of["patient"]),
        "analysed": clinic.scan(Status.AI_ANALYZED, result=named, **of),
        "uncertain": clinic.scan(Status.AI_ANALYZED, result=reading(confidence=0.5), **of),
        "verified": clinic.scan(Status.DOCTOR_VERIFIED, **of),
        "held for the doctor": clinic.scan(Status.DOCTOR_VERIFIED, **of),
        "completed": clinic.scan(Status.PHARMACIST_COMPLETED, **of),
        "held for the pharmacist": clinic.scan(Status.PHARMACIST_COMPLETED, **of),
        "released": clinic.scan(Status.REPORT_READY, result=named, **of),
        "closed": clinic.scan(Status.AI_ANALYZED, **of),
    }
    site.scans = {name: scan.id for name, scan in make.items()}
    ids, doctor, admin = site.scans, of["doctor"], of["admin"]
    with transaction():
        assignments.assign(ids["uncertain"], to=doctor.id, by=people["another doctor"])
        written = ReviewText("Haze.", "", "Pneumonia")
        second_readings.ask(ids["uncertain"], written, by=people["another doctor"])
    with transaction():
        analysis.start(ids["queued"], by=doctor)
    with transaction():
        run = analysis.start(ids["failed"], by=doctor)
        analysis.keep_failure(run.id, stored_sentences.failure("ModelMissing: no model.onnx"))
    with transaction():
        analysis.read_without_classifier(ids["without classifier"], reason="Photographed film", by=doctor)
    with transaction():
        reports.hold(ids["held for the doctor"], to=HoldFor.DOCTOR, note="Which side?", by=admin)
    with transaction():
        reports.hold(ids["held for the pharmacist"], to=HoldFor.PHARMACIST, note="Which dose?", by=admin)
    with transaction():
        services.close(ids["closed"], reason="Blurred", by=doctor)
    with transaction():
        site.batch = batches.prepare([ids["completed"], ids["held for the pharmacist"]], by=admin).id
    version = keep_fitted_version()
    with transaction():
        recalibration.choose(version, seen=0, by=admin)
    clinic.run_jobs("render_report")
    with transaction():
        reports.add_addendum(ids["released"], note="Dated wrongly.", by=doctor)
        critical = {"critical": True, "critical_action": "Call the patient in today."}
        reports.add_addendum(ids["released"], note="Air beside the lung.", **critical, by=doctor)
    clinic.run_jobs("render_report", "send_mail")
    # Approved, its report not yet stored: the patient must still see nothing.
    site.scans["approved"] = clinic.scan(Status.REPORT_READY, **of).id
    site.report = queries.versions(db.session.get_one(Scan, ids["released"]))[0].id
    site.message = db.session.query(MailMessage).first().id  # type: ignore[union-attr]
