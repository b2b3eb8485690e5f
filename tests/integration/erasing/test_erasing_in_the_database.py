"""The database lets nothing go without an erasure, and adds nothing to the person afterwards."""

import re
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from csss.clock import now
from csss.database import Base, db, transaction
from csss.erasing import services
from csss.erasing.tables import GOES
from csss.errors import NotFound, StateConflict
from csss.people.models import Patient, User
from csss.scans import services as scans
from csss.scans.intake import take_in
from csss.scans.models import Scan
from csss.scans.states import ScanKind
from tests.factories import picture
from tests.integration.erasing.life import Life, erase, erasure_row


@pytest.mark.both_databases
def test_the_database_lets_nothing_go_without_an_erasure_of_exactly_this_patient(life: Life) -> None:
    other = db.session.get_one(Scan, life.neighbour).patient_id
    patient = db.session.scalars(select(Patient.id).where(Patient.user_id == life.patient)).one()
    db.session.commit()
    append_only = [name for name, table in Base.metadata.tables.items() if table.info.get("append_only")]
    guarded = sorted(set(append_only) & GOES.keys() | {"scans"})
    assert len(guarded) == 18

    def tried(name: str, opened_for: uuid.UUID | None) -> str:
        with db.engine.connect() as connection:
            if opened_for is not None:
                connection.execute(
                    sa.insert(Base.metadata.tables["erasures"]).values(erasure_row(opened_for))
                )
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
        connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(erasure_row(patient)))
        connection.commit()
    for statement in (
        sa.insert(Base.metadata.tables["erasure_door"]).values(id=1),
        sa.insert(Base.metadata.tables["erasures"]).values(erasure_row(patient) | {"opened": None}),
        sa.update(Base.metadata.tables["users"]).values(erased_at=now()),
    ):
        with pytest.raises(IntegrityError), db.engine.connect() as connection:
            connection.execute(statement)
    # Nor can it be closed before everything has gone.
    with pytest.raises(IntegrityError, match="is left"), db.engine.connect() as connection:
        connection.execute(sa.insert(Base.metadata.tables["erasures"]).values(erasure_row(patient)))
        connection.execute(sa.update(Base.metadata.tables["erasures"]).values(opened=None))


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
