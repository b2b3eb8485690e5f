"""How long a session lasts, and what is left of it afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from csss.auth import sessions
from csss.auth.models import UserSession
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.live.living_sessions import alive_in
from tests.factories import Clinic
from tests.visitor import Visitor, words


def use_until(visitor: Visitor, began: object, hours: float) -> int:
    """The status of the last request of somebody who works all the time."""
    status, passed = 0, 0.0
    while passed < hours:
        passed = min(hours, passed + 0.75)
        with pretending(began + timedelta(hours=passed)):  # type: ignore[operator]
            status = visitor.get("/doctor/").status_code
    return status


@pytest.mark.parametrize(("settings", "hours"), [({}, 12), ({"session_hours": 2}, 2)], indirect=["settings"])
def test_even_in_use_a_session_ends_after_so_many_hours(clinic: Clinic, hours: int) -> None:
    doctor, began = clinic.visitor(clinic.person("doctor")), now()
    assert use_until(doctor, began, hours - 0.1) == 200
    alive = alive_in(clinic.app)
    ids = frozenset({doctor.session_id})
    with pretending(began + timedelta(hours=hours - 0.05)):
        assert alive(ids) == ids  # type: ignore[arg-type]
    with pretending(began + timedelta(hours=hours, seconds=5)):
        assert alive(ids) == set()  # type: ignore[arg-type]
        assert doctor.get("/doctor/").status_code == 302
        assert sessions.living(doctor.user, timedelta(hours=1)) == []


def test_without_use_it_ends_after_an_hour(clinic: Clinic) -> None:
    doctor, began = clinic.visitor(clinic.person("doctor")), now()
    with pretending(began + timedelta(minutes=59)):
        assert doctor.get("/doctor/").status_code == 200
    with pretending(began + timedelta(minutes=119, seconds=30)):
        assert doctor.get("/doctor/").status_code == 302


def test_a_person_sees_where_the_own_account_is_signed_in_and_nothing_that_is_over(clinic: Clinic) -> None:
    user, began = clinic.person("doctor"), now()
    with pretending(began - timedelta(hours=13)):
        clinic.visitor(user)
    here, there = clinic.visitor(user), clinic.visitor(user)
    page = here.page("/account")
    assert len(page.select("#sessions tbody tr")) == 2
    assert here.post(f"/account/sessions/{there.session_id}/end").status_code == 303
    assert there.get("/doctor/").status_code == 302 and here.get("/doctor/").status_code == 200


def test_an_administrator_signs_a_person_out_everywhere(clinic: Clinic, admin: Visitor) -> None:
    user = clinic.person("doctor")
    user_id, devices = user.id, [clinic.visitor(user) for _ in range(3)]
    assert admin.post(f"/admin/users/{user_id}/end-sessions").status_code == 303
    assert [each.get("/doctor/").status_code for each in devices] == [302] * 3
    assert "signed out everywhere" in words(admin.get("/admin/users"))


@pytest.mark.both_databases
def test_sessions_that_have_been_over_for_long_are_removed(clinic: Clinic) -> None:
    user = clinic.person("doctor")
    with pretending(now() - timedelta(days=91)):
        clinic.visitor(user)
    kept = clinic.visitor(user)
    with transaction():
        sessions.end_all(user)
    assert sessions.sweep_expired() == 1 and sessions.sweep_expired() == 0
    assert db.session.scalars(select(UserSession.id)).all() == [kept.session_id]
