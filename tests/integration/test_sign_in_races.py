"""Somebody signs in at the very moment at which the owner or an administrator shuts everybody out: no sign-in survives."""

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from csss.auth import account_decisions, accounts, second_factor, secrets, sessions
from csss.auth.models import UserSession
from csss.auth.passkeys import services as passkeys
from csss.auth.passkeys.models import Passkey
from csss.database import db, transaction
from csss.errors import Invalid
from csss.people.models import User
from csss.web import guard
from tests.authenticator import Authenticator
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, words

pytestmark = pytest.mark.both_databases

Act = Callable[[User], object]


def change_password(user: User) -> None:
    accounts.change_password(user, secrets.hash_password("another good password"), keep_session=None)


def end_other_sessions(user: User) -> None:
    sessions.end_all(user)


def end_sessions(user: User) -> None:
    by = db.session.scalars(select(User).where(User.email == "chief@csss.example")).one()
    account_decisions.end_sessions(user.id, by=by)


def deactivate(user: User) -> None:
    by = db.session.scalars(select(User).where(User.email == "chief@csss.example")).one()
    accounts.deactivate(user.id, by=by)


class Meanwhile:
    """Somebody else's act, in a thread of its own: it is over at once, or waits for a lock of the one who is interrupted.

    `patience`: how long the one who is interrupted waits for it; long where nothing is locked, and it has to be over.
    """

    def __init__(self, app: Flask, user_id: uuid.UUID, act: Act, patience: float = 0.5) -> None:
        self.app, self.user_id, self.act, self.patience = app, user_id, act, patience
        self.thread = threading.Thread(target=self._do)
        self.done = False

    def begin(self) -> None:
        self.thread.start()
        self.thread.join(self.patience)

    def _do(self) -> None:
        with self.app.app_context():
            with transaction():
                self.act(db.session.get_one(User, self.user_id))
            self.done = True
            db.session.remove()

    def end(self) -> None:
        self.thread.join(timeout=30)
        assert self.done


def interrupt(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, meanwhile: Meanwhile, *, call: int, after: bool
) -> None:
    """`meanwhile` begins before or after this call of the function, counted from 1."""
    real, calls = getattr(where, name), 0

    def interrupted(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            meanwhile.begin()
        answer = real(*args, **more)
        if calls == call and after:
            meanwhile.begin()
        return answer

    monkeypatch.setattr(where, name, interrupted)


@pytest.mark.parametrize("act", [change_password, deactivate])
def test_a_password_that_was_right_when_it_was_typed_does_not_let_in_after_a_change(
    clinic: Clinic, nobody: Visitor, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    """It takes a quarter of a second to compare it."""
    clinic.person("admin", email="chief@csss.example")
    doctor = clinic.person("doctor")
    meanwhile = Meanwhile(clinic.app, doctor.id, act, patience=30)
    interrupt(monkeypatch, secrets, "password_matches", meanwhile, call=1, after=True)
    answer = nobody.post("/login", {"email": doctor.email, "password": PASSWORD})
    meanwhile.end()
    if act is change_password:
        assert answer.status_code == 401 and "The e-mail address or the password is not right." in words(
            answer
        )
    else:
        assert answer.status_code == 403 and "This account has been deactivated." in words(answer)
    assert nobody.get("/doctor/").status_code == 302
    assert db.session.scalars(select(UserSession)).all() == []


@pytest.mark.parametrize("act", [change_password, end_other_sessions, end_sessions, deactivate])
def test_whoever_has_just_begun_a_session_is_signed_out_with_all_others(
    clinic: Clinic, nobody: Visitor, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    clinic.person("admin", email="chief@csss.example")
    doctor = clinic.person("doctor")
    meanwhile = Meanwhile(clinic.app, doctor.id, act)
    interrupt(monkeypatch, guard, "sign_in", meanwhile, call=1, after=False)
    nobody.post("/login", {"email": doctor.email, "password": PASSWORD})
    meanwhile.end()
    assert nobody.get("/doctor/").status_code == 302


@pytest.mark.parametrize("act", [change_password, end_other_sessions, end_sessions, deactivate])
@pytest.mark.parametrize("moment", ["before the code is looked at", "after it was right"])
def test_a_sign_in_that_waits_for_its_code_ends_with_all_sessions(
    clinic: Clinic, nobody: Visitor, monkeypatch: pytest.MonkeyPatch, moment: str, act: Act
) -> None:
    clinic.person("admin", email="chief@csss.example")
    admin = clinic.person("admin")
    with transaction():
        code, *_ = second_factor.new_recovery_codes(admin)
    answer = nobody.post("/login", {"email": admin.email, "password": PASSWORD})
    assert answer.location == "/login/code"
    meanwhile = Meanwhile(clinic.app, admin.id, act)
    if moment == "after it was right":
        interrupt(monkeypatch, guard, "sign_in", meanwhile, call=1, after=False)
    else:  # the second look, inside the transaction
        interrupt(monkeypatch, guard, "pending_session", meanwhile, call=2, after=True)
    nobody.post("/login/code", {"code": code})
    meanwhile.end()
    assert nobody.get("/admin/").status_code == 302
    living = select(UserSession).where(UserSession.user_id == admin.id, UserSession.ended_at.is_(None))
    assert db.session.scalars(living).all() == []


def test_a_session_that_was_ended_meanwhile_registers_no_passkey(clinic: Clinic, doctor: Visitor) -> None:
    """Whoever must register one before anything else would begin a new session with it."""
    with transaction():
        row = db.session.get_one(UserSession, doctor.session_id)
        options = passkeys.begin_registration(row, name="My phone", password_is_right=True)
    answer = Authenticator().create(json.loads(options))
    with transaction():
        row = db.session.get_one(UserSession, doctor.session_id)
        sessions.end_all(doctor.user)
        with pytest.raises(Invalid, match="has expired"):
            passkeys.register(row, name="My phone", given=answer)
    assert db.session.scalars(select(Passkey)).all() == []
