"""When a session has ended, nothing that was typed is lost, nobody else gets it, and nothing is sent by itself."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from csss.auth import unsent
from csss.auth.models import UnsentForm, UserSession
from csss.auth.second_factor import new_recovery_codes
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.states import Status
from tests.factories import PASSWORD, Clinic, picture
from tests.integration.signing_in import mailed_code
from tests.visitor import Visitor, soup, words

PRESCRIPTION = {
    "drug": ["Paracetamol", "Amoxicillin"],
    "dose": ["500 mg", "250 mg"],
    "route": ["oral", "oral"],
    "frequency": ["twice a day", "three times a day"],
    "duration": ["5 days", "7 days"],
    "override_reason": ["", ""],
    "notes": "After meals, with kestrel water",
}
READING = {
    "findings": "Opacity in the left lower zone, kestrel",
    "impression": "Pneumonia",
    "diagnosis": "Pneumonia",
    "agreement": "partly",
    "read_myself": "y",
}


def end_of_session(visitor: Visitor, *, ended: bool = False) -> None:
    """By not being used for an hour, or from another device."""
    at = now()
    values: dict[str, Any] = {"ended_at": at} if ended else {"last_used_at": at - timedelta(minutes=61)}
    with transaction():
        db.session.execute(update(UserSession).where(UserSession.user_id == visitor.user_id).values(**values))
    db.session.remove()


def sign_in_again(visitor: Visitor, clinic: Clinic, asked: TestResponse, user: User | None = None) -> str:
    """By the address that the answer leads to, with the second step where there is one. Returns where it leads on."""
    person = db.session.merge(user) if user else visitor.user
    email, is_admin = person.email, person.role.value == "admin"
    target = soup(visitor.get(asked.location)).select_one("input[name=next]")
    form = {"email": email, "password": PASSWORD, "next": str(target["value"]) if target else ""}
    answer = visitor.post("/login", form)
    if is_admin:
        answer = visitor.post("/login/code", {"code": mailed_code(clinic)})
    assert answer.status_code == 303
    return str(answer.location)


def kept() -> list[UnsentForm]:
    db.session.remove()
    return list(db.session.scalars(select(UnsentForm)))


def _value(field: Any) -> str:
    text: str = field.get_text() if field.name == "textarea" else field.get("value", "")
    return text.removeprefix("\r\n")  # which a browser leaves out at the beginning of a text area


def values_of(page: Any, *names: str) -> dict[str, list[str]]:
    return {name: [_value(field) for field in page.select(f"form [name={name}]")] for name in names}


@pytest.mark.both_databases
@pytest.mark.parametrize("ended", [False, True], ids=["unused", "ended elsewhere"])
def test_a_prescription_comes_back_after_signing_in_and_is_not_sent_by_itself(
    clinic: Clinic, pharmacist: Visitor, ended: bool
) -> None:
    scan = clinic.scan(Status.DOCTOR_VERIFIED)
    address, scan_id = f"/pharmacist/scans/{scan.id}", scan.id
    end_of_session(pharmacist, ended=ended)
    asked = pharmacist.post(f"{address}/complete", PRESCRIPTION)
    assert asked.status_code == 302 and asked.location == f"/login?next={address}"
    assert "Your session has ended" in words(pharmacist.get(asked.location))
    assert sign_in_again(pharmacist, clinic, asked) == address
    for _ in range(2):  # also when the page is loaded again
        answer = pharmacist.get(address)
        filled = values_of(soup(answer), "drug", "dose", "frequency", "duration", "notes")
        assert filled == {
            name: PRESCRIPTION[name] if name != "notes" else [PRESCRIPTION[name]] for name in filled
        }
    assert db.session.get_one(type(scan), scan_id).status is Status.DOCTOR_VERIFIED
    assert pharmacist.post(f"{address}/complete", PRESCRIPTION).status_code == 303
    assert db.session.get_one(type(scan), scan_id).status is Status.PHARMACIST_COMPLETED
    assert kept() == []


def test_what_is_told_after_signing_in(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(pharmacist)
    sign_in_again(pharmacist, clinic, pharmacist.post(f"{address}/complete", PRESCRIPTION))
    assert "What you had entered is in the form again" in words(pharmacist.get(address))


def test_a_reading_comes_back_but_not_that_the_scan_was_read(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, doctor=doctor.user)
    address, scan_id = f"/doctor/scans/{scan.id}", scan.id
    end_of_session(doctor)
    assert sign_in_again(doctor, clinic, doctor.post(f"{address}/verify", READING)) == address
    page = soup(doctor.get(address))
    filled = values_of(page, "findings", "impression", "diagnosis")
    assert filled == {name: [READING[name]] for name in filled}
    assert page.select_one("[name=agreement][value=partly][checked]")
    assert not page.select("[name=read_myself][checked]")
    assert db.session.get_one(type(scan), scan_id).status is Status.AI_ANALYZED


def hold(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/admin/scans/{clinic.scan(Status.PHARMACIST_COMPLETED).id}"
    return address, f"{address}/hold", {"to": "doctor", "note": "Please look at the kestrel side"}


def addendum(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/doctor/scans/{clinic.scan(Status.REPORT_READY).id}"
    return address, f"{address}/addendum", {"note": "The kestrel side was meant"}


def closing(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/doctor/scans/{clinic.scan(Status.AI_ANALYZED).id}"
    return address, f"{address}/close", {"reason": "Not readable, kestrel"}


def another_kind(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/doctor/scans/{clinic.scan(Status.AI_ANALYZED).id}"
    return address, f"{address}/kind", {"kind": "cardiac_mri", "reason": "The heart, kestrel"}


def without_classifier(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/doctor/scans/{clinic.scan().id}"
    return address, f"{address}/read-without-ai", {"reason": "A photograph of a kestrel"}


def profile(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    return "/account", "/account", {"section": "profile", "name": "Kestrel Lee", "address": "1 Kestrel Lane"}


def upload(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    file = (io.BytesIO(picture() + b"\0" * 2_500_000), "a.png")  # more than a stranger may send
    return (
        "/patient/",
        "/patient/scans",
        {"kind": "cardiac_mri", "indication": "Chest pain, kestrel", "file": file},
    )


def erasing(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/admin/patients/{clinic.person('patient').id}/erase"
    return address, address, {"reason": "Asked for by kestrel", "mrn": "12345678"}


def legal_hold(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    address = f"/admin/users/{clinic.person('patient').id}"
    return address, f"{address}/legal-hold", {"reason": "A court asks for kestrel"}


def doctors_template(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    return "/doctor/templates", "/doctor/templates", {"title": "Kestrel", "findings": "Clear kestrel"}


def pharmacists_template(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    return (
        "/pharmacist/templates/new",
        "/pharmacist/templates/new",
        {**PRESCRIPTION, "name": "Kestrel", "owner": "me"},
    )


def question(clinic: Clinic) -> tuple[str, str, dict[str, Any]]:
    return "/assistant", "/assistant", {"question": "Where is the kestrel?"}


@pytest.mark.parametrize(
    ("role", "form"),
    [
        ("admin", hold),
        ("admin", erasing),
        ("admin", legal_hold),
        ("doctor", addendum),
        ("doctor", closing),
        ("doctor", another_kind),
        ("doctor", without_classifier),
        ("doctor", doctors_template),
        ("pharmacist", pharmacists_template),
        ("patient", profile),
        ("patient", upload),
        ("patient", question),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_whatever_somebody_writes_comes_back(
    clinic: Clinic, role: str, form: Callable[[Clinic], tuple[str, str, dict[str, Any]]]
) -> None:
    visitor = clinic.visitor(clinic.person(role))
    page, address, sent = form(clinic)
    end_of_session(visitor)
    assert sign_in_again(visitor, clinic, visitor.post(address, sent)) == page
    shown = soup(visitor.get(page))
    for name, value in sent.items():
        if name in {"file", "section", "mrn", "route", "override_reason"}:
            continue
        found = shown.select(f"main form [name={name}]")
        texts = [_value(each) for each in found]
        assert (value if isinstance(value, str) else value[0]) in texts, name
        if isinstance(value, str) and found[0].get("type") != "radio":
            holding = [each for each in found if _value(each) == value]
            assert not any(each.find_parent("details", open=False) for each in holding), (
                f"{name} is folded away"
            )
    assert shown.select_one("[name=mrn]") is None or not shown.select_one("[name=mrn]").get("value")  # type: ignore[union-attr]


def test_passwords_and_codes_are_not_kept(clinic: Clinic, patient: Visitor) -> None:
    end_of_session(patient)
    sent = {
        "section": "password",
        "current_password": PASSWORD,
        "new_password": "a new long password",
        "report_passphrase": "open sesame please",
    }
    patient.post("/account", {**sent, "name": "Kestrel Lee"})
    (row,) = kept()
    found = unsent.find(patient.user, row.session_id, page="/account")
    assert found is not None and dict(found.fields) == {"section": "password", "name": "Kestrel Lee"}
    assert "Kestrel" not in row.content


# Who gets it


def test_it_does_not_come_back_to_somebody_else_at_the_same_computer(
    clinic: Clinic, pharmacist: Visitor
) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(pharmacist)
    asked = pharmacist.post(f"{address}/complete", PRESCRIPTION)
    first, other = pharmacist.user, clinic.person("pharmacist")
    sign_in_again(pharmacist, clinic, asked, other)
    assert "kestrel" not in pharmacist.get(address).text
    # Nor to the first one later on: another person's session has come between.
    pharmacist.post("/logout")
    sign_in_again(pharmacist, clinic, asked, first)
    assert "kestrel" not in pharmacist.get(address).text


def test_it_does_not_come_back_in_another_browser(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(pharmacist)
    pharmacist.post(f"{address}/complete", PRESCRIPTION)
    elsewhere = Visitor(clinic.app)
    elsewhere.post("/login", {"email": pharmacist.user.email, "password": PASSWORD})
    assert "kestrel" not in elsewhere.get(address).text


def test_it_is_over_after_an_hour_and_when_somebody_signs_out(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(pharmacist)
    asked = pharmacist.post(f"{address}/complete", PRESCRIPTION)
    with pretending(now() + timedelta(minutes=59)):
        assert unsent.sweep_expired() == 0
    with pretending(now() + timedelta(minutes=61)):
        sign_in_again(pharmacist, clinic, asked)
        assert "kestrel" not in pharmacist.get(address).text
        assert unsent.sweep_expired() == 1
    end_of_session(pharmacist)
    sign_in_again(pharmacist, clinic, pharmacist.post(f"{address}/complete", PRESCRIPTION))
    assert len(kept()) == 1
    pharmacist.post("/logout")
    assert kept() == []


def test_no_other_site_puts_words_into_a_form(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(pharmacist)
    asked = pharmacist.post(f"{address}/complete", {**PRESCRIPTION, "csrf_token": "forged"})
    assert asked.status_code == 302 and asked.location == "/login" and kept() == []


def test_nothing_is_kept_for_who_may_not_send_it_nor_without_end(clinic: Clinic, pharmacist: Visitor) -> None:
    end_of_session(pharmacist)
    pharmacist.post(f"/doctor/scans/{clinic.scan(Status.AI_ANALYZED).id}/verify", READING)
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    pharmacist.post(f"{address}/complete", {"notes": "x" * 250_000})
    pharmacist.post(f"{address}/complete", {"notes": "  "})
    assert kept() == []
    for number in range(12):
        other = f"/pharmacist/scans/00000000-0000-4000-8000-0000000000{number:02}/complete"
        pharmacist.post(other, PRESCRIPTION)
    assert len(kept()) == unsent.MOST_FORMS


def test_more_lines_than_a_form_takes_do_not_shut_the_page(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(pharmacist)
    asked = pharmacist.post(f"{address}/complete", {"drug": ["a"] * 45})
    assert sign_in_again(pharmacist, clinic, asked) == address
    assert pharmacist.get(address).status_code == 200


def test_what_can_no_longer_be_sent_is_shown_to_be_copied(
    clinic: Clinic, pharmacist: Visitor, doctor: Visitor
) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.PHARMACIST_COMPLETED).id}"
    end_of_session(pharmacist)
    assert sign_in_again(pharmacist, clinic, pharmacist.post(f"{address}/complete", PRESCRIPTION)) == address
    page = words(pharmacist.get(address))
    assert "Your prescription was not accepted" in page and "with kestrel water" in page
    address = f"/doctor/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    end_of_session(doctor)
    assert sign_in_again(doctor, clinic, doctor.post(f"{address}/verify", READING)) == address
    page = words(doctor.get(address))
    assert "can no longer be sent" in page and "left lower zone, kestrel" in page


def test_erasing_a_patient_takes_along_what_was_typed_about_them(clinic: Clinic, pharmacist: Visitor) -> None:
    scan = clinic.scan(Status.DOCTOR_VERIFIED)
    whose, address = scan.patient.id, f"/pharmacist/scans/{scan.id}"
    end_of_session(pharmacist)
    pharmacist.post(f"{address}/complete", PRESCRIPTION)
    (row,) = kept()
    assert row.patient_id == whose


# The page that stays


def test_a_page_left_open_can_send_its_form_once_the_same_person_has_signed_in_again(
    clinic: Clinic, pharmacist: Visitor
) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    token = soup(pharmacist.get(address)).select_one("main [name=csrf_token]")["value"]  # type: ignore[index]
    form = {**PRESCRIPTION, "csrf_token": token}
    end_of_session(pharmacist)
    over = pharmacist.post(f"{address}/complete", form, htmx=True)
    assert over.status_code == 401 and over.headers["HX-Redirect"] == "/login" and kept() == []
    pharmacist.post("/login", {"email": pharmacist.user.email, "password": PASSWORD})
    sent = pharmacist.post(f"{address}/complete", form, htmx=True)
    assert sent.status_code == 204 and sent.headers["HX-Redirect"] == address


def test_a_page_left_open_sends_nothing_in_somebody_elses_name(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}"
    token = soup(pharmacist.get(address)).select_one("main [name=csrf_token]")["value"]  # type: ignore[index]
    end_of_session(pharmacist)
    pharmacist.post("/login", {"email": clinic.person("pharmacist").email, "password": PASSWORD})
    form = {**PRESCRIPTION, "csrf_token": token}
    assert pharmacist.post(f"{address}/complete", form, htmx=True).status_code == 400
    assert pharmacist.post(f"{address}/complete", form).status_code == 400


def test_the_form_token_outlives_the_second_step_of_the_same_person_only(clinic: Clinic) -> None:
    admin = clinic.person("admin")
    visitor = clinic.visitor(admin)
    with transaction():
        (recovery, *_) = new_recovery_codes(db.session.merge(admin))
    address = f"/admin/scans/{clinic.scan(Status.PHARMACIST_COMPLETED).id}"
    token = soup(visitor.get(address)).select_one("main [name=csrf_token]")["value"]  # type: ignore[index]
    end_of_session(visitor)
    visitor.post("/login", {"email": visitor.user.email, "password": PASSWORD})
    visitor.post("/login/code", {"code": recovery})
    note = {"to": "doctor", "note": "again", "csrf_token": token}
    assert visitor.post(f"{address}/hold", note).status_code == 303


@pytest.mark.parametrize("htmx", [False, True])
def test_without_a_cookie_a_form_leads_to_sign_in(clinic: Clinic, nobody: Visitor, htmx: bool) -> None:
    """The browser was closed meanwhile, and the form's token means nothing any more."""
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}/complete"
    headers = {"HX-Request": "true"} if htmx else {}
    answer = nobody.client.post(address, data=PRESCRIPTION, headers=headers)
    if htmx:
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")
    else:
        assert (answer.status_code, answer.location) == (302, "/login")
    assert "was not taken" in words(nobody.get("/login")) or htmx


def test_a_stream_whose_session_has_ended_is_not_led_to_a_page(pharmacist: Visitor) -> None:
    end_of_session(pharmacist)
    answer = pharmacist.get("/events", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 401 and answer.data == b""


def test_a_forged_form_is_still_refused_to_who_is_signed_in(clinic: Clinic, pharmacist: Visitor) -> None:
    address = f"/pharmacist/scans/{clinic.scan(Status.DOCTOR_VERIFIED).id}/complete"
    assert pharmacist.post(address, {**PRESCRIPTION, "csrf_token": ""}).status_code == 400
