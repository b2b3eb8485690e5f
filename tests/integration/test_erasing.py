"""Erasing a patient: nothing of the person is left, nothing else is touched, and nobody does it by accident."""

import io
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from pikepdf import Pdf
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from csss import create_app
from csss.all_tables import load_models
from csss.audit.models import AuditEvent
from csss.auth import accounts, second_factor, sessions
from csss.auth.models import CodePurpose, OneTimeCode
from csss.cli import main
from csss.clock import now
from csss.config import Settings
from csss.database import Base, db, transaction
from csss.erasing import leftovers, queries, retention, services
from csss.erasing.models import ErasedFile, Erasure, LegalHold
from csss.erasing.tables import GOES, STAYS
from csss.errors import NotFound, StateConflict
from csss.jobs import runner
from csss.notices.models import MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import Patient, User
from csss.people.roles import Role
from csss.reports import batches, named_files
from csss.reports import services as reports
from csss.scans import analysis, claims, previews, review_drafts
from csss.scans import services as scans
from csss.scans.intake import take_in
from csss.scans.models import AnalysisRun, Scan
from csss.scans.services import ReviewText
from csss.scans.states import HoldFor, ScanKind, Status
from csss.scans.uploads import services as uploads
from csss.storage import unfinished_uploads
from csss.storage.files import storage
from tests.conftest import settings_for
from tests.factories import PASSWORD, Clinic, picture
from tests.integration.test_workflow_races import Act, after, at_once, slow_commit
from tests.postgres import POSTGRES, create_database, drop_database
from tests.rules.conftest import Site
from tests.rules.test_routes import WHO, methods, rules
from tests.visitor import Visitor, words

CANARY = "kestrel"  # stands in everything that is said by or about the patient
HASH = "$2b$04$aaaaaaaaaaaaaaaaaaaaaexGx5Ns1X2bYqfIbvXKzvNfMSzkaTR5e"


@dataclass
class Life:
    """A patient to whom everything has happened that can, and a neighbour whose scan must not be touched."""

    clinic: Clinic
    patient: uuid.UUID
    mrn: str
    admin: uuid.UUID
    neighbour: uuid.UUID
    scans: list[uuid.UUID]
    in_flight: uuid.UUID
    upload: uuid.UUID


# The life is lived once on each database; every test gets a copy of it.
_LIVED: dict[str, tuple[Path, Life]] = {}


def _live_in(folder: Path, **more: object) -> None:
    app = create_app(settings_for(folder, **more))
    with app.app_context():
        _LIVED[db.engine.dialect.name] = (folder, live(Clinic(app)))
        leftovers.checkpoint(patience=1.0)
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def migrated_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lived")
    shutil.copy(migrated_sqlite, folder / "csss.db")
    _live_in(folder)
    return folder / "csss.db"


@pytest.fixture(scope="module")
def migrated_postgres(migrated_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = f"{migrated_postgres}_lived"
    create_database(name, migrated_postgres)
    _live_in(tmp_path_factory.mktemp("lived-pg"), database_url=f"{POSTGRES}/{name}")
    yield name
    drop_database(name)


@pytest.fixture
def life(clinic: Clinic, settings: Settings) -> Life:
    folder, lived = _LIVED[db.engine.dialect.name]
    for name in ("storage", "mail"):
        shutil.copytree(folder / name, Path(settings.instance) / name)
    clinic._people = 100  # further people have other addresses
    return replace(lived, clinic=clinic)


def live(clinic: Clinic) -> Life:
    doctor, pharmacist, admin = (clinic.person(role) for role in ("doctor", "pharmacist", "admin"))
    staff = {"doctor": doctor, "pharmacist": pharmacist, "admin": admin}
    patient = clinic.person("patient", name=f"Ada {CANARY.title()}", email=f"{CANARY}@csss.example")
    clinic.set_passphrase(patient, f"{CANARY} opens my reports")
    with transaction():
        record = db.session.get_one(User, patient.id).patient
        assert record is not None
        record.address = record.allergies = record.emergency_contact_name = f"{CANARY} lane"
        record.phone = record.emergency_contact_phone = f"+1 {CANARY}"
        record.blood_group = "AB-"
    mrn = record.mrn
    of: dict[str, Any] = {"patient": patient, "indication": f"{CANARY} cough", "findings": f"{CANARY} lungs"}
    neighbour = clinic.scan(Status.REPORT_READY, **staff).id
    released = clinic.scan(Status.REPORT_READY, **of, **staff).id
    held = clinic.scan(Status.PHARMACIST_COMPLETED, **of, **staff).id
    drafted = clinic.scan(Status.AI_ANALYZED, **of, doctor=doctor).id
    closed, moved, in_flight = (clinic.scan(**of).id for _ in range(3))
    written = ReviewText(f"{CANARY} draft", "", "", None, read_myself=False)
    pdf = io.BytesIO()
    Pdf.new().save(pdf)
    with transaction():
        reports.add_addendum(released, note=f"{CANARY} note", by=doctor)
        for version in (1, 2):
            reports.keep_version(
                db.session.get_one(Scan, released),
                version,
                file_key=storage().put("reports", "pdf", pdf.getvalue()),
                sha256="",
                size=1,
            )
        reports.hold(held, to=HoldFor.DOCTOR, note=f"{CANARY}, which side?", by=admin)
        review_drafts.save(drafted, written, by=doctor)
        claims.take(drafted, by=doctor)
        scans.correct_kind(
            drafted, was=ScanKind.CHEST_XRAY, became=ScanKind.CARDIAC_MRI, reason=f"{CANARY} heart", by=doctor
        )
        scans.close(closed, reason=f"{CANARY} moved", by=doctor)
        batches.prepare([held, neighbour], by=admin)
        second_factor.request_code(patient, CodePurpose.SIGN_IN, uuid.uuid4())
        second_factor.new_recovery_codes(patient)
        upload, _ = uploads.begin(length=40, digest="", limit=10_000, by=patient)
        upload_id = upload.id
    ids = {"patient": patient.id, "doctor": doctor.id, "admin": admin.id}
    clinic.run_jobs("send_mail")
    patient, doctor = (db.session.get_one(User, ids[name]) for name in ("patient", "doctor"))
    with unfinished_uploads.UploadWriter(upload_id, 0) as file:
        file.write(CANARY.encode())
    with transaction():
        analysis.start(in_flight, by=doctor)
        scans.close(moved, reason=f"{CANARY}, again", by=doctor)  # a mail that is still owed
        message = db.session.scalars(select(MailMessage).where(MailMessage.user_id == patient.id)).first()
        assert message is not None
        message.last_error = f"550 <{CANARY}@csss.example> unknown"
    previews.small(db.session.get_one(Scan, released).file_key, previews.THUMBNAIL)
    with transaction():
        sessions.begin(patient, address="203.0.113.77", device=f"{CANARY} phone", complete=True)
    theirs = list(db.session.scalars(select(Scan.id).join(Patient).where(Patient.user_id == patient.id)))
    theirs.remove(released)
    db.session.commit()
    return Life(
        clinic, ids["patient"], mrn, ids["admin"], neighbour, [released, *theirs], in_flight, upload_id
    )


def erase(life: Life, reason: str = "Asked for by letter") -> None:
    with transaction():
        services.erase_as_deployer(life.mrn, reason=reason, password_hash=HASH)


def dump() -> dict[str, list[str]]:
    """Every row of every table as text, past the session."""
    with db.engine.connect() as connection:
        return {
            name: [
                repr(tuple(row)).lower()
                for row in connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY 1")
            ]
            for name in Base.metadata.tables
        }


def holders(rows: dict[str, list[str]], *texts: str) -> set[str]:
    return {name for name, found in rows.items() for row in found if any(text in row for text in texts)}


def test_every_table_has_been_thought_of() -> None:
    """Add a new table to one of the two lists of csss/erasing/tables.py: its rows go with the patient, or why they stay."""
    load_models()
    tables = set(Base.metadata.tables)
    assert tables == GOES.keys() | STAYS.keys(), tables ^ (GOES.keys() | STAYS.keys())
    assert not GOES.keys() & STAYS.keys()
    for name, column in GOES.items():
        assert column in Base.metadata.tables[name].columns


@pytest.mark.both_databases
def test_nothing_of_the_person_is_left_in_any_table_or_file(life: Life, settings: Settings) -> None:
    before = dump()
    assert {"users", "patients", "scans", "reviews", "uploads"} - holders(before, CANARY) == {"uploads"}
    assert holders(before, CANARY) >= {
        "scan_holds",
        "scan_closures",
        "review_drafts",
        "addenda",
        "mail_messages",
    }
    kept = [key for each in named_files.named(life.scans) for key in named_files.with_small_ones(each.key)]
    stored = set(storage().stored())
    assert len(stored.intersection(kept)) > 10

    erase(life)
    after = dump()
    assert holders(after, CANARY, life.mrn) == set()
    for name in GOES:
        assert not holders({name: after[name]}, life.patient.hex, str(life.patient)), name
    for scan in life.scans:
        left = holders(after, scan.hex, str(scan))
        assert left <= {"audit_events", "outbox", "one_time_codes", "mail_messages"}, left  # by number alone
    assert set(storage().stored()) == stored - set(kept)
    assert not [path for path in settings.storage_folder.rglob(f"{life.upload.hex}*")]

    # And in no byte of the instance: database, write-ahead log, uploads, mail folder.
    assert leftovers.scrub()
    db.session.remove()
    for path in Path(settings.instance).rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            assert CANARY.encode() not in content, path
            assert life.mrn.encode() not in content, path


@pytest.mark.both_databases
def test_what_stays_is_that_somebody_was_erased_and_everybody_elses_data(life: Life) -> None:
    before, log = dump(), db.session.scalars(select(sa.func.max(AuditEvent.id))).one()
    untouched = {
        name: [row for row in rows if life.neighbour.hex in row.replace("-", "")]
        for name, rows in before.items()
    }
    erase(life)
    after = dump()
    for name, rows in untouched.items():
        assert [row for row in after[name] if life.neighbour.hex in row.replace("-", "")] == rows, name
    assert after["audit_events"][: len(before["audit_events"])] == before["audit_events"]

    erasure = db.session.scalars(select(Erasure)).one()
    assert (erasure.patient.user_id, erasure.reason, erasure.by_id) == (
        life.patient,
        "Asked for by letter",
        None,
    )
    assert erasure.counts["scans"] == len(life.scans) and erasure.counts["report_versions"] == 2
    user = db.session.get_one(User, life.patient)
    assert (user.name, user.erased_at is not None, user.is_active) == (services.NOBODY, True, False)
    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.id > log, AuditEvent.action == "patient.erased")
    )
    assert (event.subject_id, event.detail["scans"]) == (str(life.patient), len(life.scans))


@pytest.mark.both_databases
def test_the_database_lets_nothing_go_without_an_erasure_of_exactly_this_patient(life: Life) -> None:
    other = db.session.get_one(Scan, life.neighbour).patient_id
    patient = db.session.scalars(select(Patient.id).where(Patient.user_id == life.patient)).one()
    db.session.commit()
    append_only = [name for name, table in Base.metadata.tables.items() if table.info.get("append_only")]
    guarded = sorted(set(append_only) & GOES.keys() | {"scans"})
    assert len(guarded) == 11

    def tried(name: str, opened_for: uuid.UUID | None) -> str:
        with db.engine.connect() as connection:
            if opened_for is not None:
                connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(_row(opened_for)))
            try:
                connection.execute(sa.delete(Base.metadata.tables[name]))
            except IntegrityError as error:
                return str(error.orig)
            finally:
                connection.rollback()
        return ""

    for name in guarded:
        for opened_for in (None, other):
            assert re.search("append-only|never deleted", tried(name, opened_for)), name
    for name in ("scans", "reviews", "prescription_items"):  # the neighbour has such rows, too
        assert re.search("append-only|never deleted", tried(name, patient)), name

    # The door does not stay open: what opens it cannot be committed, by whatever means.
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), db.engine.connect() as connection:
        connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(_row(patient)))
        connection.commit()
    for statement in (
        sa.insert(Base.metadata.tables["erasure_door"]).values(id=1),
        sa.insert(Base.metadata.tables["erasures"]).values(_row(patient) | {"opened": None}),
        sa.update(Base.metadata.tables["users"]).values(erased_at=now()),
    ):
        with pytest.raises(IntegrityError), db.engine.connect() as connection:
            connection.execute(statement)
    # Nor can it be closed before everything has gone.
    with pytest.raises(IntegrityError, match="is left"), db.engine.connect() as connection:
        connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(_row(patient)))
        connection.execute(sa.update(Base.metadata.tables["erasures"]).values(opened=None))


def _row(patient: uuid.UUID) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "patient_id": patient,
        "at": now(),
        "reason": "x",
        "origin": "test",
        "counts": {},
        "opened": 1,
    }


@pytest.mark.both_databases
def test_after_erasing_the_account_is_shut_for_good_and_nothing_is_added_to_it(life: Life) -> None:
    erase(life)
    tables = Base.metadata.tables
    patient = db.session.scalars(select(Patient).where(Patient.user_id == life.patient)).one()
    patient_id, user_id = patient.id, patient.user_id
    db.session.commit()
    late: list[sa.Executable] = [
        sa.update(tables["users"]).where(tables["users"].c.id == user_id).values(name="Back again"),
        sa.update(tables["patients"]).where(tables["patients"].c.id == patient_id).values(phone="1"),
        sa.insert(tables["uploads"]).values(
            id=uuid.uuid4(), patient_id=patient_id, length=1, digest="", created_at=now(), expires_at=now()
        ),
        sa.insert(tables["user_sessions"]).values(
            id=uuid.uuid4(),
            user_id=user_id,
            key_hash="x",
            created_at=now(),
            last_used_at=now(),
            complete=True,
            second_factor_tries=0,
            address="",
            device="",
        ),
        sa.update(tables["erasures"]).values(reason="Another"),
        sa.delete(tables["erasures"]),
    ]
    for statement in late:
        with pytest.raises(IntegrityError), db.engine.connect() as connection:
            connection.execute(statement)
    taken = take_in(picture(80, 80), limit=10_000_000)
    with pytest.raises(NotFound), transaction():  # a form that was on its way
        by = db.session.get_one(User, user_id)
        scans.submit_scan(
            taken, "scans/aa/" + "a" * 32 + ".png", kind=ScanKind.CHEST_XRAY, indication="", by=by
        )
    with pytest.raises(StateConflict, match="erased already"), transaction():
        services.lock(user_id)


@pytest.mark.both_databases
def test_work_in_flight_ends_quietly(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that has a job of the patient, and one that comes to it afterwards: no failure, nothing mailed or kept."""
    owed = owed_about(life)
    assert {job for _, job in owed} == {"analyse_scan", "render_report", "send_mail"}
    run = db.session.get_one(Scan, life.in_flight).latest_run
    assert run is not None
    run_id = run.id
    with transaction():
        assert analysis.begin_run(run_id) is not None  # the worker has just begun
    mailed, stored = len(life.clinic.mail), set(storage().stored())
    erase(life)
    caplog.clear()
    from csss.jobs import notice_jobs, report_jobs, scan_jobs

    scan_jobs.analyse_scan(run_id)
    report_jobs.render_report(life.scans[0], uuid.uuid4())
    assert not report_jobs._keep(life.scans[0], 1, "reports/aa/x.pdf", b"%PDF")
    for message in db.session.scalars(
        select(MailMessage.id).where(MailMessage.user_id == life.patient)
    ).all():
        notice_jobs.send_mail(message)
    for row_id, _ in owed:
        runner.perform(row_id)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert len(life.clinic.mail) <= mailed and set(storage().stored()) < stored
    states = db.session.scalars(select(MailMessage.state).where(MailMessage.user_id == life.patient)).all()
    assert set(states) <= {MailState.SENT, MailState.DROPPED, MailState.FAILED}
    assert owed_about(life) == []


def owed_about(life: Life) -> list[tuple[uuid.UUID, str]]:
    """Open jobs about the patient: scans, runs of the classifier, messages."""
    about = set(map(str, life.scans))
    for table, column, values in (
        (AnalysisRun, AnalysisRun.scan_id, life.scans),
        (MailMessage, MailMessage.user_id, [life.patient]),
    ):
        about |= {str(each) for each in db.session.scalars(select(table.id).where(column.in_(values)))}
    jobs = db.session.scalars(select(OutboxJob).where(OutboxJob.done_at.is_(None)))
    return [(job.id, job.job) for job in jobs if about & set(job.args)]


@pytest.mark.both_databases
def test_what_others_send_at_the_same_moment_comes_too_late(life: Life) -> None:
    """With real threads: the erasure is done and commits a while later, and meanwhile four others begin."""
    started = threading.Event()
    staff = db.session.scalars(select(User.id).where(User.role == Role.DOCTOR)).first()
    assert staff is not None

    def erasing(_: User) -> None:
        services.erase_as_deployer(life.mrn, reason="Asked for by letter", password_hash=HASH)

    def profile(user: User) -> None:
        accounts.update_profile(user, {"name": f"Late {CANARY}", "phone": f"late {CANARY}"})

    def upload(user: User) -> None:
        uploads.begin(length=9, digest="", limit=10_000, by=user)

    def draft(user: User) -> None:
        review_drafts.save(
            life.scans[1], ReviewText(f"late {CANARY}", "", "", None, read_myself=False), by=user
        )

    told = at_once(
        life.clinic.app,
        (life.admin, slow_commit(erasing, started)),
        *(
            (who, after(started, _refused_kindly(act)))
            for who, act in ((life.patient, profile), (life.patient, upload))
        ),
        (staff, after(started, _refused_kindly(draft))),
        (life.admin, after(started, lambda _: services.lock(life.patient))),
    )
    assert told[0] == "done"
    assert "done" not in told[1:] and "erased already" in told[4], told
    assert holders(dump(), CANARY) == set()


def _refused_kindly(act: Act) -> Act:
    """What the database or a missing scan refuses is a refusal like any other here."""

    def kindly(user: User) -> None:
        try:
            act(user)
            db.session.flush()
        except (IntegrityError, NotFound) as error:
            raise StateConflict(str(error)) from error

    return kindly


def test_a_file_that_cannot_be_removed_is_tried_again_and_each_is_removed_twice(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = db.session.get_one(Scan, life.scans[0]).file_key
    delete = type(storage()).delete
    monkeypatch.setattr(type(storage()), "delete", _failing_for(key, delete))
    erase(life)
    assert key in set(storage().stored())  # the commit stands, the file is owed
    assert leftovers.owed() == 1
    monkeypatch.setattr(type(storage()), "delete", delete)
    _later(leftovers.PAUSE)
    leftovers.sweep()
    assert key not in set(storage().stored()) and leftovers.owed() == 0
    # Somebody had the picture in hand and writes its preview now.
    late = previews.beside(key, previews.PREVIEW)
    storage().keep(late, b"late")
    _later(leftovers.AGAIN)
    while leftovers.sweep():
        pass
    assert late not in set(storage().stored())
    assert db.session.scalars(select(ErasedFile)).all() == []


def _failing_for(key: str, delete: Any) -> Any:
    def failing(self: Any, which: str) -> None:
        if which == key:
            raise PermissionError(13, "Permission denied")
        delete(self, which)

    return failing


def _later(span: timedelta) -> None:
    with transaction():
        db.session.execute(sa.update(ErasedFile).values(due_at=ErasedFile.due_at))
        for row in db.session.scalars(select(ErasedFile)):
            row.due_at -= span + timedelta(seconds=1)


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


# The page


def erase_address(life: Life) -> str:
    return f"/admin/users/{life.patient}/erase"


def fresh_code(life: Life, visitor: Visitor) -> str:
    assert visitor.post(f"{erase_address(life)}/code", {"reason": "Asked for"}).status_code == 200
    life.clinic.run_jobs("send_mail")
    body = life.clinic.mail[-1].get_body()
    assert body is not None
    text = body.get_content()
    assert "to erase a patient" in text and CANARY not in text
    return re.findall(r"\d{6}", text)[0]


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
        for address in ("erase", "erase/code", "legal-hold", "lift-legal-hold"):
            assert visitor.post(f"/admin/users/{life.patient}/{address}").status_code == 403, address
        assert visitor.get("/admin/erasing").status_code == 403
    admin = life.clinic.visitor(db.session.get_one(User, life.admin))
    assert admin.get(f"/admin/users/{life.admin}/erase").status_code == 404  # only patients are erased


@pytest.mark.both_databases
def test_a_legal_hold_keeps_the_data_until_it_is_lifted(life: Life) -> None:
    visitor = life.clinic.visitor(db.session.get_one(User, life.admin))
    page = f"/admin/users/{life.patient}"
    assert visitor.post(f"{page}/legal-hold", {"reason": " "}).status_code == 422
    assert visitor.post(f"{page}/legal-hold", {"reason": f"Lawsuit of {CANARY}"}).status_code == 303
    assert visitor.post(f"{page}/legal-hold", {"reason": "Another"}).status_code == 409
    assert "Lawsuit" in words(visitor.get(page))
    for address in (f"{page}/erase", f"{page}/erase/code"):
        answer = visitor.post(address, {"reason": "Asked for", "mrn": life.mrn, "code": "123456"})
        assert answer.status_code == 409 and "legal hold" in words(answer)
    with pytest.raises(StateConflict, match="legal hold"):
        erase(life)
    patient = db.session.scalars(select(Patient.id).where(Patient.user_id == life.patient)).one()
    db.session.commit()
    with pytest.raises(IntegrityError, match="legal hold"), db.engine.connect() as connection:
        connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(_row(patient)))
    assert visitor.post(f"{page}/lift-legal-hold", {"reason": "Settled"}).status_code == 303
    actions = db.session.scalars(
        select(AuditEvent.action).where(AuditEvent.action.like("patient.%")).order_by(AuditEvent.id)
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
    assert "kept for ever" in words(admin.get("/admin/erasing"))
    assert "Nobody has been erased" in words(admin.get("/admin/erasing?show=erased"))


def test_to_sign_in_the_erased_person_is_a_stranger(life: Life, nobody: Visitor) -> None:
    erase(life)
    sent = {"email": f"{CANARY}@csss.example", "password": PASSWORD}
    known, unknown = nobody.post("/login", sent), nobody.post("/login", {**sent, "email": "who@csss.example"})
    assert (known.status_code, unknown.status_code) == (401, 401)
    assert words(known).replace(CANARY, "who") == words(unknown)
    left = db.session.get_one(User, life.patient).email
    assert nobody.post("/login", {**sent, "email": left}).status_code == 401
    # The address is free again.
    life.clinic.person("patient", email=f"{CANARY}@csss.example")


def test_all_pages_of_all_roles_work_afterwards_and_the_scans_are_gone_for_everyone(life: Life) -> None:
    clinic, (released, *_others) = life.clinic, life.scans
    report = reports.report_id(released, 1)
    people = {role: clinic.person(role).id for role in ("patient", "doctor", "pharmacist")}
    people |= {"admin": life.admin, "waiting": life.patient}
    site = Site(clinic.app, clinic, people, {"gone": released}, report, token="x")
    theirs = clinic.visitor(db.session.get_one(User, life.patient))
    erase(life)
    assert theirs.get("/patient/").status_code == 302  # signed out
    for role in ("patient", "doctor", "pharmacist", "admin"):
        visitor = site.visitor(role)
        _walk(site, visitor, role)
        assert visitor.get(f"/reports/{report}.pdf").status_code == 404
    admin = site.visitor("admin")
    for address in ("/admin/audit", "/admin/mail", "/admin/users?q=erased"):
        page = admin.page(address)
        assert services.NOBODY in page.get_text(" "), address
        links = {str(link["href"]) for link in page("a", href=True) if "/scans/" in str(link["href"])}
        assert {admin.get(link).status_code for link in links} <= {200}, address


def _walk(site: Site, visitor: Visitor, role: str) -> None:
    """Every page, as itself and as a fragment; every address of an erased scan."""
    for rule in rules(site.app):
        if "GET" not in methods(rule) or role not in WHO[rule.endpoint] or rule.endpoint == "events.stream":
            continue
        *_staff, address = site.addresses(rule).values()
        allowed = {404} if "scan_id" in rule.arguments else {200, 204, 302, 303, 404, 503}
        for headers in ({}, {"HX-Request": "true"}):
            response = visitor.get(address, headers=headers, buffered=True)
            assert response.status_code in allowed, f"{address} answered {response.status_code} to the {role}"
