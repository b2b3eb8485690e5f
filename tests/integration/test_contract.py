"""What a second look at the running system found, told as somebody hostile, forgetful or far away would do it."""

import io
import threading
from typing import Any

import pytest
from sqlalchemy import select

from csss.auth import second_factor
from csss.auth.models import CodePurpose
from csss.config import BadSetting, load_settings
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import PASSWORD, SEEN, Clinic, picture
from tests.visitor import Visitor, words

A_PATIENT = {
    "name": "Anbu Selvi",
    "email": "anbu@csss.example",
    "password": PASSWORD,
    "role": "patient",
    "date_of_birth": "1990-01-02",
    "sex": "female",
}


def a_file(content: bytes = b"not a text") -> Any:
    return io.BytesIO(content), "a.txt"


@pytest.mark.parametrize("field", ["email", "password", "next"])
def test_a_file_in_place_of_a_text_does_not_bring_sign_in_down(nobody: Visitor, field: str) -> None:
    sent = {"email": "nobody@csss.example", "password": PASSWORD, "next": "/", field: a_file()}
    assert nobody.post("/login", sent).status_code == 401


@pytest.mark.parametrize("field", sorted(A_PATIENT.keys() - {"role"}))  # who gives none is a patient
def test_a_file_in_place_of_a_text_makes_no_account(nobody: Visitor, field: str) -> None:
    assert nobody.post("/register", {**A_PATIENT, field: a_file()}).status_code == 422
    assert db.session.scalar(select(User)) is None


@pytest.mark.parametrize("field", ["name", "phone", "address", "report_passphrase", "new_password"])
def test_a_file_in_place_of_a_text_changes_no_account(patient: Visitor, field: str) -> None:
    name = patient.user.name
    assert patient.post("/account", {field: a_file()}).status_code in {303, 422}
    assert patient.user.name == name


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [("indication", a_file(), 303), ("kind", a_file(), 422), ("file", "a text", 422)],
)
def test_an_upload_with_its_fields_mixed_up(patient: Visitor, field: str, value: Any, status: int) -> None:
    value = a_file() if field != "file" else value  # a stream is read once
    sent = {"file": (io.BytesIO(picture()), "a.png"), "kind": "chest_xray", "indication": "x", field: value}
    assert patient.post("/patient/scans", sent).status_code == status


def test_a_name_is_one_line_and_turns_no_letters(nobody: Visitor, clinic: Clinic) -> None:
    """It stands in a mail to an address that a stranger chose, and under a report as a signature."""
    name = "Anbu\r\nYour account is blocked:\x07 call\t12 \u202eivleS"
    assert nobody.post("/register", {**A_PATIENT, "name": name}).status_code == 303
    kept = db.session.scalars(select(User)).one().name
    assert kept == "Anbu Your account is blocked: call 12 ivleS"
    clinic.run_jobs("send_mail")
    assert f"Dear {kept}," in clinic.mail[0].get_content()


def test_a_pass_phrase_that_grows_is_refused_before_it_stops_the_mail(
    clinic: Clinic, patient: Visitor
) -> None:
    """PDF readers turn each of these letters into eighteen; the mail job could not encrypt with what is left."""
    refused = patient.post("/account", {"report_passphrase": "\ufdfa" * 8, "current_password": PASSWORD})
    assert refused.status_code == 422
    assert "8 to 100 characters" in refused.get_data(as_text=True)
    assert (
        patient.post(
            "/account", {"report_passphrase": "ﬁne phrase", "current_password": PASSWORD}
        ).status_code
        == 303
    )
    clinic.scan(Status.REPORT_READY, patient=patient.user)
    clinic.run_jobs()
    assert "report" in clinic.mail[-1]["Subject"]
    assert [part.get_content_type() for part in clinic.mail[-1].iter_attachments()] == ["application/pdf"]
    assert db.session.scalars(select(Scan)).one().status is Status.REPORT_READY


@pytest.mark.parametrize("action", ["\ud7ff", "\U0010ffff", "é", "scan.\x7f"])
def test_the_audit_log_has_nothing_for_actions_that_nobody_took(admin: Visitor, action: str) -> None:
    assert admin.get("/admin/audit", query_string={"action": action}).status_code == 200


def test_both_answers_to_somebody_who_is_not_signed_in_vary(nobody: Visitor) -> None:
    for answer in (nobody.get("/doctor/"), nobody.fragment("/doctor/")):
        assert "HX-Request" in answer.vary
    assert (nobody.get("/doctor/").status_code, nobody.fragment("/doctor/").status_code) == (302, 401)


@pytest.mark.both_databases
def test_an_approval_sent_twice_at_once_is_told_the_state_and_not_that_its_code_is_used(
    clinic: Clinic,
) -> None:
    admin = clinic.person("admin")
    visitors = [clinic.visitor(admin), Visitor(clinic.app)]
    visitors[1].client.set_cookie("csss", visitors[0].client.get_cookie("csss").value)  # type: ignore[union-attr]
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    with transaction():
        asked = second_factor.request_code(admin, CodePurpose.APPROVAL, scan_id, visitors[0].session_id)
        code = second_factor.draw_code(asked)
    start = threading.Barrier(2)
    answers: list[tuple[int, str]] = []

    def send(visitor: Visitor) -> None:
        with clinic.app.app_context():
            start.wait(timeout=20)
            answer = visitor.post(f"/admin/scans/{scan_id}/approve", SEEN | {"code": code})
            answers.append((answer.status_code, words(answer)))

    db.session.remove()
    threads = [threading.Thread(target=send, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    (won, _), (lost, told) = sorted(answers)
    assert (won, lost) == (303, 409)
    assert "The report has been approved already" in told


def test_a_wrong_approval_code_counts_and_leaves_the_scan(clinic: Clinic, admin: Visitor) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    with transaction():
        asked = second_factor.request_code(admin.user, CodePurpose.APPROVAL, scan_id, admin.session_id)
        code = second_factor.draw_code(asked)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(second_factor.MAX_TRIES):
        assert admin.post(f"/admin/scans/{scan_id}/approve", SEEN | {"code": wrong}).status_code == 422
    assert admin.post(f"/admin/scans/{scan_id}/approve", SEEN | {"code": code}).status_code == 422
    assert db.session.get_one(Scan, scan_id).status is Status.PHARMACIST_COMPLETED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CSSS_BCRYPT_ROUNDS", "99"),
        ("CSSS_PORT", "70000"),
        ("CSSS_TRUSTED_PROXIES", "-1"),
        ("CSSS_UPLOAD_MB", "500"),
        ("CSSS_OTP_MINUTES", "0"),
        ("CSSS_WEB_THREADS", "0"),
        ("CSSS_REDIS_URL", "http://127.0.0.1"),
    ],
)
def test_a_setting_that_would_fail_later_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Two hundred requests later it would be a 500 that nobody connects with the setting."""
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=name):
        load_settings()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_ways_to_write_a_postgresql_address(scheme: str) -> None:
    settings = load_settings(database_url=f"{scheme}://csss@db.example/csss")
    assert settings.database == "postgresql+psycopg://csss@db.example/csss"
