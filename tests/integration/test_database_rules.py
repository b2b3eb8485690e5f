"""What the database itself refuses, whoever asks: raw SQL that goes round every service."""

import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from csss.database import Base, db, transaction
from csss.erasing import services as erasing
from csss.hospital.models import HospitalVersion
from csss.people.models import PatientCorrection
from csss.people.record_models import MergedScan
from csss.prescriptions.fact_models import StatedFacts
from csss.recalibration import services as recalibration
from csss.records import merging
from csss.records import services as records
from csss.reports import services as reports
from csss.scans import critical_results, second_readings, services
from csss.scans.models import DoctorOpening, FirstImpression, PharmacistOpening, Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import NEXT, ScanKind, Status, Sureness
from tests.factories import Clinic
from tests.hospital import keep_fitted_version

pytestmark = pytest.mark.both_databases

APPEND_ONLY = sorted(table.name for table in Base.metadata.sorted_tables if table.info.get("append_only"))
SCANS = Base.metadata.tables["scans"]


def raw(statement: sa.Executable | str) -> int:
    """Run it on a connection of its own, as somebody with a database console would; the rows it touched."""
    statement = sa.text(statement) if isinstance(statement, str) else statement
    with db.engine.connect() as connection:
        touched = connection.execute(statement).rowcount
        connection.commit()
    return touched


def refused(statement: sa.Executable | str, because: str) -> None:
    with pytest.raises(IntegrityError, match=because):
        raw(statement)


@pytest.fixture
def full_clinic(clinic: Clinic) -> Clinic:
    """A database in which every table that may only grow has a row."""
    doctor = clinic.person("doctor")
    released = clinic.scan(Status.REPORT_READY, doctor=doctor).id
    clinic.run_jobs("render_report")
    unreadable = clinic.scan(doctor=doctor).id
    with transaction():
        reports.add_addendum(released, note="The date in the indication is wrong.", by=doctor)
        services.correct_kind(unreadable, was=ScanKind.CHEST_XRAY, became=ScanKind.CARDIAC_MRI, by=doctor)
        services.close(unreadable, reason="Blurred", by=doctor)
        db.session.add(
            FirstImpression(
                scan_id=released,
                doctor_id=doctor.id,
                findings="Hazy.",
                diagnosis="Bronchitis",
                sureness=Sureness.SURE,
            )
        )
        db.session.add(PharmacistOpening(scan_id=released, pharmacist_id=doctor.id, review_version=1))
        reports.add_addendum(
            released, note="Air.", critical=True, critical_action="Call the patient in.", by=doctor
        )
        db.session.add(DoctorOpening(scan_id=released, doctor_id=doctor.id))
        db.session.add(StatedFacts(scan_id=released, version=1, stated_by_id=doctor.id, weight_grams=70_000))
    version, admin = keep_fitted_version(), clinic.person("admin")
    marked = critical_results.standing(released)
    assert marked is not None
    with transaction():
        critical_results.acknowledge(released, marked.id, by=admin)
    asked, second = clinic.scan(Status.AI_ANALYZED).id, clinic.person("doctor")
    with transaction():
        second_readings.ask(asked, ReviewText("Haze.", "", "Pneumonia"), by=doctor)
        second_readings.write(asked, ReviewText("Haze.", "", "Pneumonia"), by=second)
    with transaction():
        recalibration.choose(version, seen=0, by=admin)
        db.session.add(HospitalVersion(number=1, name="St. Thomas", changed_by_id=admin.id))
        db.session.add(
            PatientCorrection(
                patient_id=db.session.get_one(Scan, released).patient_id,
                old={"name": "Ana"},
                new={"name": "Anna"},
                reason="Passport",
                corrected_by_id=admin.id,
            )
        )
        kept, merged = (
            records.make(
                records.Typed(name="Rani Record", date_of_birth="1970-05-06", sex="female"),
                another=True,
                by=admin,
            )
            for _ in range(2)
        )
        made = merging.merge(
            kept.id,
            merged.id,
            reason="Registered twice",
            confirmed=(),
            seen=merging.seen_of(kept, merged),
            by=admin,
        )
        db.session.add(MergedScan(scan_id=uuid.uuid4(), merge_id=made.id))
        merging.separate(made.id, reason="Sisters", by=admin)
    somebody = clinic.person("patient").patient
    with transaction():
        assert somebody is not None
        erasing.erase_as_deployer(somebody.mrn, reason="Asked for", password_hash="x")
    return clinic


def steps() -> list[tuple[Status, Status]]:
    return [(was, to) for was in Status for to in Status if to is not was and NEXT[was] is not to]


def test_a_status_can_neither_be_skipped_nor_taken_back(clinic: Clinic) -> None:
    doctor, pharmacist, admin = (clinic.person(role) for role in ("doctor", "pharmacist", "admin"))
    ids = {
        status: clinic.scan(status, doctor=doctor, pharmacist=pharmacist, admin=admin).id for status in Status
    }
    db.session.commit()
    for was, to in steps():
        refused(
            sa.update(SCANS).where(SCANS.c.id == ids[was]).values(status=to), "one step forward at a time"
        )
        assert db.session.get_one(Scan, ids[was]).status is was
        db.session.commit()
    assert len(steps()) == 16  # of the 20 ordered pairs four are steps forward


def test_the_one_step_forward_is_not_refused(clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    db.session.commit()
    assert raw(sa.update(SCANS).where(SCANS.c.id == scan_id).values(status=Status.AI_ANALYZED)) == 1


def test_a_scan_begins_at_the_beginning(clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    with db.engine.connect() as connection:
        row = dict(connection.execute(sa.select(SCANS).where(SCANS.c.id == scan_id)).mappings().one())
    for status in Status:
        new = sa.insert(SCANS).values({**row, "id": uuid.uuid4(), "status": status})
        if status is Status.PENDING_AI:
            raw(new)
        else:
            refused(new, "begins as PENDING_AI")


def test_the_kind_of_a_scan_changes_only_with_a_correction_of_it(clinic: Clinic) -> None:
    """A correction of another scan, or one to the kind that it is already, opens no way."""
    doctor = clinic.person("doctor")
    ids = [clinic.scan(doctor=doctor).id for _ in range(2)]
    with transaction():
        services.correct_kind(ids[1], was=ScanKind.CHEST_XRAY, became=ScanKind.CARDIAC_MRI, by=doctor)
    db.session.commit()
    for scan_id, kind in ((ids[0], "cardiac_mri"), (ids[1], "chest_xray")):
        refused(sa.update(SCANS).where(SCANS.c.id == scan_id).values(kind=kind), "only with a correction")
    assert [db.session.get_one(Scan, each).kind.value for each in ids] == ["chest_xray", "cardiac_mri"]


def test_scans_are_never_deleted(clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    db.session.commit()
    refused(sa.delete(SCANS).where(SCANS.c.id == scan_id), "scans")


def test_nothing_in_a_table_that_may_only_grow_can_be_changed_or_removed(full_clinic: Clinic) -> None:
    db.session.commit()
    assert {"predictions", "reviews", "prescriptions", "approvals", "report_versions"} <= set(APPEND_ONLY)
    for name in APPEND_ONLY:
        table = Base.metadata.tables[name]
        with db.engine.connect() as connection:
            before = [tuple(row) for row in connection.execute(sa.select(table))]
        assert before, f"{name} has no row to try with: add one to full_clinic"
        plain = (each for each in table.columns if not each.primary_key and not each.foreign_keys)
        column = next(plain, next(iter(table.columns)))  # a table of keys alone has no other
        same = sa.update(table).values({column.name: column})
        for statement in (same, sa.delete(table)):
            refused(statement, f"{name} is append-only")
        with db.engine.connect() as connection:
            assert [tuple(row) for row in connection.execute(sa.select(table))] == before


def test_a_row_cannot_be_replaced_or_swept_away_with_its_table(full_clinic: Clinic) -> None:
    """SQLite's REPLACE removes the old row silently, PostgreSQL's TRUNCATE fires no row trigger."""
    db.session.commit()
    for name in [*APPEND_ONLY, "scans"]:
        if db.engine.dialect.name == "sqlite":
            refused(
                f"INSERT OR REPLACE INTO {name} SELECT * FROM {name}", "append-only|never deleted|begins as"
            )
        else:
            refused(f"TRUNCATE {name} CASCADE", "append-only")


def test_one_prediction_one_approval_and_each_step_once(clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY)
    db.session.commit()
    for name in ("predictions", "approvals", "scan_events"):
        table = Base.metadata.tables[name]
        with db.engine.connect() as connection:
            row = dict(connection.execute(sa.select(table).limit(1)).mappings().one())
        new = {**row, "id": uuid.uuid4()} | ({"run_id": None} if "run_id" in row else {})
        refused(sa.insert(table).values(new), "(?i)unique")
