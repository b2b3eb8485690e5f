"""Nothing of an erased person is left in any table or file, and everything else stays."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from csss.all_tables import load_models
from csss.audit.models import AuditEvent
from csss.config import Settings
from csss.database import Base, db
from csss.erasing import leftovers, services
from csss.erasing.models import ErasedFile, Erasure
from csss.erasing.tables import GOES, STAYS
from csss.people.models import User
from csss.reports import named_files
from csss.scans import previews
from csss.scans.models import Scan
from csss.storage.files import storage
from tests.integration.erasing.life import CANARY, Life, dump, erase, holders, make_due


def test_every_table_has_been_thought_of() -> None:
    """Add a new table to one of the two lists of csss/erasing/tables.py: its rows are erased, or it says why they stay."""
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
        "first_impressions",
        "patient_corrections",
        "stated_facts",
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
    make_due(leftovers.PAUSE)
    leftovers.sweep()
    assert key not in set(storage().stored()) and leftovers.owed() == 0
    # Somebody had the picture in hand and writes its preview now.
    late = previews.beside(key, previews.PREVIEW)
    storage().keep(late, b"late")
    make_due(leftovers.AGAIN)
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
