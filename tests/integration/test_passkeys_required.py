"""CSSS_ADMIN_PASSKEY: an administrator signs in with a passkey and with nothing else."""

from typing import Any

import pytest
from sqlalchemy import select

from csss.auth import second_factor
from csss.auth.passkeys.models import Passkey
from csss.database import db, transaction
from csss.scans.states import Status
from tests.authenticator import Authenticator
from tests.factories import PASSWORD, Clinic
from tests.integration.passkeys import REQUIRED, by_mail, keys, password, question, register
from tests.visitor import Visitor, words


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_an_administrator_without_a_passkey_can_only_register_one(
    clinic: Clinic, device: Authenticator, settings: Any
) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED).id
    user_id = (user := clinic.person("admin")).id
    visitor = by_mail(clinic, user.email)
    assert visitor.get("/").location == "/admin/"
    for address in (
        "/admin/",
        f"/admin/scans/{scan}",
        "/account",
        "/assistant",
        "/events",
        f"/scans/{scan}/image",
    ):
        assert visitor.get(address).location == "/account/passkeys/new", address
    for address in (f"/admin/scans/{scan}/code", "/account", "/account/recovery-codes"):
        assert visitor.post(address).location == "/account/passkeys/new", address
    assert visitor.fragment("/admin/").headers["HX-Redirect"] == "/account/passkeys/new"
    page = visitor.page("/account/passkeys/new")
    assert "Administrators sign in with a passkey here" in page.get_text()
    assert not page.select("nav[aria-label=Main]")
    before = visitor.client.get_cookie("csss")
    assert register(visitor, device).location == "/admin/"
    assert visitor.get("/admin/").status_code == 200
    # The session that could do less has ended: its cookie opens nothing more.
    old = Visitor(clinic.app)
    assert before is not None
    old.client.set_cookie("csss", before.value)
    assert old.get("/admin/").location == "/login?next=/admin/"
    assert db.session.scalars(select(Passkey.user_id)).one() == user_id


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_an_administrator_with_a_passkey_signs_in_with_nothing_else(
    clinic: Clinic, device: Authenticator, settings: Any
) -> None:
    email = clinic.person("admin").email
    register(by_mail(clinic, email), device)
    clinic.run_jobs("send_mail")  # which tells of the passkey
    sent = len(clinic.mail)
    visitor = Visitor(clinic.app)
    password(visitor, email)
    page = visitor.page("/login/code")
    assert not page.select("#code-form, form[action='/login/code/send']") and page.select("#recovery-form")
    for answer in (visitor.post("/login/code", {"code": "123456"}), visitor.post("/login/code/send")):
        assert answer.status_code == 422 and "Administrators sign in with a passkey here" in words(answer)
    clinic.run_jobs()
    assert len(clinic.mail) == sent
    given = device.get(question(visitor, "/login/code/passkey"))
    assert visitor.post("/login/code", {"passkey": given}).location == "/admin/"
    assert visitor.get("/admin/").status_code == 200


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_a_lost_passkey_is_replaced_with_a_recovery_code(
    clinic: Clinic, device: Authenticator, settings: Any
) -> None:
    user = clinic.person("admin")
    email = user.email
    with transaction():
        code, *_ = second_factor.new_recovery_codes(user)
    register(by_mail(clinic, email), device, "Lost")
    visitor = Visitor(clinic.app)
    password(visitor, email)
    assert visitor.post("/login/code", {"code": code}).status_code == 303
    assert visitor.get("/admin/").location == "/account/passkeys/new"
    assert register(visitor, Authenticator(), "New").location == "/admin/"
    lost, new = keys()
    right = {"current_password": PASSWORD}
    assert visitor.post(f"/account/passkeys/{lost.id}/remove", right).status_code == 303
    last = visitor.post(f"/account/passkeys/{new.id}/remove", right)
    assert last.status_code == 409 and "Add another one before" in words(last)


@pytest.mark.parametrize("settings", [REQUIRED], indirect=True)
def test_other_roles_are_not_asked(clinic: Clinic, settings: Any) -> None:
    visitor = Visitor(clinic.app)
    assert password(visitor, clinic.person("doctor").email).location == "/doctor/"
    assert visitor.get("/doctor/").status_code == 200
