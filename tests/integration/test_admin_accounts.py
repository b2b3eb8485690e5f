"""An administrator approves, refuses and deactivates accounts."""

import uuid

from csss.database import db
from csss.people.models import AccountState, User
from tests.factories import Clinic
from tests.integration.administrator import MINE, listed
from tests.visitor import Visitor, words


def test_who_waits_comes_first_and_is_let_in(admin: Visitor, clinic: Clinic) -> None:
    clinic.person("patient", name="Asha Patient")
    waiting_id = clinic.person("doctor", active=False, name="Dr. New <b>").id
    page = admin.page("/admin/users")
    assert listed(page, "users")[0] == "Dr. New <b>"
    assert f"1–{len(listed(page, 'users'))} of {len(listed(page, 'users'))} accounts" in page.get_text()
    row = page.select_one(f"#user-{waiting_id}")
    assert [each["formaction"].rpartition("/")[2] for each in row.select("button")] == ["refuse"]
    assert {each["form"] for each in row.select("button")} == {"row-form"}
    assert row.select_one(".actions a")["href"] == f"/admin/users/{waiting_id}#steps"
    assert page.select_one("form#row-form[method=post] input[name=csrf_token]")["value"]

    assert admin.post(f"/admin/users/{waiting_id}/approve", MINE).status_code == 303
    assert db.session.get_one(User, waiting_id).state is AccountState.ACTIVE
    clinic.run_jobs()
    assert any("approved" in str(mail["Subject"]) for mail in clinic.mail)
    answer = admin.post(f"/admin/users/{waiting_id}/approve", MINE)
    assert answer.status_code == 409 and "is not waiting for approval" in words(answer)
    assert listed(admin.page("/admin/users?q=asha"), "users") == ["Asha Patient"]
    assert listed(admin.page("/admin/users?role=patient"), "users") == ["Asha Patient"]
    assert listed(admin.page("/admin/users?state=waiting"), "users") == []
    assert admin.get("/admin/users?role=king&state=x&page=z").status_code == 200


def test_a_deactivated_person_is_signed_out_at_once(admin: Visitor, clinic: Clinic, doctor: Visitor) -> None:
    assert doctor.get("/doctor/").status_code == 200
    answer = admin.post(f"/admin/users/{doctor.user_id}/deactivate?role=doctor&page=1")
    assert answer.status_code == 303 and answer.headers["Location"] == "/admin/users?role=doctor&page=1"
    assert doctor.get("/doctor/").status_code == 302
    assert admin.post(f"/admin/users/{doctor.user_id}/deactivate").status_code == 409
    assert admin.post(f"/admin/users/{doctor.user_id}/reactivate", MINE).status_code == 303
    assert doctor.get("/doctor/").status_code == 302  # the old session stays ended
    assert db.session.get_one(User, doctor.user_id).state is AccountState.ACTIVE


def test_nobody_shuts_the_own_account(admin: Visitor, clinic: Clinic) -> None:
    row = admin.page("/admin/users").select_one(f"#user-{admin.user_id}")
    assert row.select("form, button") == []
    answer = admin.post(f"/admin/users/{admin.user_id}/deactivate")
    assert answer.status_code == 409 and "You cannot deactivate your own account." in words(answer)


def test_a_refused_account_can_be_approved_later(admin: Visitor, clinic: Clinic) -> None:
    user_id = clinic.person("pharmacist", active=False).id
    assert admin.post(f"/admin/users/{user_id}/refuse").status_code == 303
    assert admin.post(f"/admin/users/{user_id}/refuse").status_code == 409
    assert admin.post(f"/admin/users/{user_id}/approve", MINE).status_code == 303
    assert admin.post(f"/admin/users/{uuid.uuid4()}/approve", MINE).status_code == 404
    assert admin.post(f"/admin/users/{uuid.uuid4()}/approve").status_code == 404
