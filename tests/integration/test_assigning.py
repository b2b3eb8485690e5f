"""A scan is assigned to a colleague by one press, taken on, and given back; nobody's scan is taken silently."""

import uuid

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.people.models import AccountState, User
from csss.scans import assignments, claims
from csss.scans import worklist_queries as lists
from csss.scans.states import Status
from csss.scans.together_models import AssignmentEnd, ScanAssignment
from tests.factories import Clinic
from tests.integration.doctor import LOOKED, hold, listed, url
from tests.integration.test_workflow_races import at_once
from tests.visitor import Visitor, words


@pytest.fixture
def colleague(clinic: Clinic) -> tuple[str, Visitor]:
    """A second doctor: the id, and signed in."""
    person = clinic.person("doctor", name="Cora Colleague")
    person_id = person.id
    return str(person_id), clinic.visitor(db.session.get_one(User, person_id))


Colleague = tuple[str, Visitor]


def ended(scan_id: uuid.UUID) -> list[AssignmentEnd | None]:
    db.session.rollback()
    query = select(ScanAssignment.ended_why).where(ScanAssignment.scan_id == scan_id)
    return list(db.session.scalars(query.order_by(ScanAssignment.assigned_at)))


def test_one_press_in_a_row_assigns_it_and_the_colleague_sees_it_on_top(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    first, second = (str(clinic.scan(Status.AI_ANALYZED).id) for _ in range(2))
    to, other = colleague
    page = doctor.page("/doctor/")
    button = page.select_one(f"#scan-{second} button[formaction$=assign]")
    chosen = page.select_one("#assign-to")
    assert button["form"] == chosen["form"] == "row-form"
    assert chosen.option["value"] == to
    answer = doctor.post(button["formaction"], {"to": to, "back": "sort=newest", "note": "You know her."})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/doctor/?sort=newest")
    assert "The scan is assigned to Cora Colleague" in words(doctor.get("/doctor/"))

    assert listed(other) == [second, first] and listed(doctor) == [first, second]
    row = other.page("/doctor/").select_one(f"#scan-{second}").get_text(" ", strip=True)
    assert "Assigned to you by Doctor" in row and "You know her." in row
    assert "Assigned to Cora Colleague" in words(doctor.get("/doctor/"))
    assert "Assigned to you by Doctor" in words(other.get(url(uuid.UUID(second))))
    assert listed(other, "?sort=newest&status=all") == [second, first]


def test_the_mail_to_the_colleague_names_no_patient(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    scan_id, patient = scan.id, scan.patient.user.name
    doctor.post(url(scan_id, "assign"), {"to": colleague[0], "note": "Rare."})
    clinic.run_jobs("send_mail")
    (mail,) = [mail for mail in clinic.mail if "assigned to you" in mail["Subject"]]
    assert "Cora Colleague" in mail.get_content()
    assert not [word for word in (patient, "Rare.", str(scan_id)) if word in mail.get_content()]
    actions = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "scan.assigned")).all()
    assert [each.detail for each in actions] == [{"to": colleague[0]}]


def test_the_colleague_who_was_chosen_last_is_offered_first(clinic: Clinic, doctor: Visitor) -> None:
    clinic.person("doctor", name="Abel First")
    last = str(clinic.person("doctor", name="Zoe Last").id)
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    doctor.post(url(scan_id, "assign"), {"to": last})
    for page in ("/doctor/", url(scan_id)):
        assert doctor.page(page).select_one("#assign-to option[selected]")["value"] == last


def test_the_next_scan_is_the_own_one_and_never_a_colleagues(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    first, second, third = (clinic.scan(Status.AI_ANALYZED).id for _ in range(3))
    to, other = colleague
    doctor.post(url(third, "assign"), {"to": to})
    assert other.get("/doctor/next").headers["Location"].endswith(str(third))
    doctor.post(url(first, "assign"), {"to": to})
    assert doctor.get("/doctor/next").headers["Location"].endswith(str(second))


def test_it_is_given_back_and_taken_on(clinic: Clinic, doctor: Visitor, colleague: Colleague) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    to, other = colleague
    doctor.post(url(scan_id, "assign"), {"to": to})
    assert "Give it back" in words(other.get(url(scan_id)))
    assert other.post(url(scan_id, "give-back")).status_code == 303
    assert other.post(url(scan_id, "give-back")).status_code == 409
    assert other.post(url(scan_id, "assign"), {"to": to}).status_code == 303
    assert "You have taken this scan on" in words(other.get(url(scan_id)))
    assert ended(scan_id) == [AssignmentEnd.GIVEN_BACK, None]
    clinic.run_jobs("send_mail")
    assert not [mail for mail in clinic.mail if "assigned" in mail["Subject"]]  # pointless by then


def test_a_third_doctor_does_not_pass_it_on_but_may_sign(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    third = clinic.person("doctor")
    third_id = third.id
    visitor = clinic.visitor(third)
    doctor.post(url(scan_id, "assign"), {"to": colleague[0]})
    for step, sent in (("assign", {"to": str(third_id)}), ("give-back", {})):
        refused = visitor.post(url(scan_id, step), sent)
        assert refused.status_code == 409 and "only these two pass it on" in words(refused), step
    page = visitor.page(url(scan_id))
    assert "Assigned to Cora Colleague by Doctor" in page.get_text(" ", strip=True)
    assert page.select_one("form[action*=give-back]") is None
    assert visitor.post(url(scan_id, "verify"), LOOKED).status_code == 303
    assert ended(scan_id) == [AssignmentEnd.SIGNED]


def test_the_scan_of_a_doctor_who_has_left_can_be_passed_on(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    scan_id, third = clinic.scan(Status.AI_ANALYZED).id, clinic.person("doctor")
    third_id, visitor = str(third.id), clinic.visitor(third)
    doctor.post(url(scan_id, "assign"), {"to": colleague[0]})
    with transaction():
        db.session.get_one(User, uuid.UUID(colleague[0])).state = AccountState.DEACTIVATED
    assert visitor.post(url(scan_id, "assign"), {"to": third_id}).status_code == 303
    assert ended(scan_id) == [AssignmentEnd.PASSED_ON, None]


def test_a_scan_that_somebody_else_is_reading_is_not_assigned_over_their_head(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    reader = clinic.person("doctor", name="Rita Reader")
    reader_id = reader.id
    with transaction():
        claims.take(scan_id, by=reader)
    refused = doctor.post(url(scan_id, "assign"), {"to": colleague[0]})
    assert refused.status_code == 409 and "Rita Reader is reading this scan now" in words(refused)
    assert doctor.post(url(scan_id, "assign"), {"to": str(reader_id)}).status_code == 303
    assert claims.standing(scan_id) is not None  # she goes on reading


def test_the_own_claim_ends_with_passing_it_on(clinic: Clinic, doctor: Visitor, colleague: Colleague) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    doctor.post(url(scan_id, "claim"))
    assert doctor.post(url(scan_id, "assign"), {"to": colleague[0]}).status_code == 303
    assert claims.standing(scan_id) is None


@pytest.mark.parametrize("to", ["", "7", "nobody", "patient"])
def test_only_a_doctor_who_can_sign_in_is_chosen(clinic: Clinic, doctor: Visitor, to: str) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    people = {"nobody": uuid.uuid4(), "patient": clinic.person("patient").id}
    sent = {"to": str(people.get(to, to)), "note": "Kept words"}
    refused = doctor.post(url(scan_id, "assign"), sent)
    assert refused.status_code == 422 and "Choose a doctor." in words(refused)
    assert "Kept words" in refused.get_data(as_text=True)
    long = doctor.post(url(scan_id, "assign"), {**sent, "note": "x" * 201})
    assert "At most 200 characters" in words(long)
    assert ended(scan_id) == []


@pytest.mark.parametrize("status", [Status.DOCTOR_VERIFIED, Status.REPORT_READY])
def test_what_no_doctor_has_to_read_is_not_assigned(
    clinic: Clinic, doctor: Visitor, colleague: Colleague, status: Status
) -> None:
    scan_id = clinic.scan(status).id
    assert doctor.post(url(scan_id, "assign"), {"to": colleague[0]}).status_code == 409
    assert doctor.page(url(scan_id)).select_one("#assign-to") is None


def test_closing_ends_it_and_a_correction_can_be_assigned(
    clinic: Clinic, doctor: Visitor, colleague: Colleague
) -> None:
    closed, held = clinic.scan(Status.AI_ANALYZED).id, clinic.scan(Status.DOCTOR_VERIFIED).id
    doctor.post(url(closed, "assign"), {"to": colleague[0]})
    assert doctor.post(url(closed, "close"), {"reason": "Blurred"}).status_code == 303
    assert ended(closed) == [AssignmentEnd.CLOSED]
    hold(clinic, held)
    assert doctor.post(url(held, "assign"), {"to": colleague[0]}).status_code == 303
    assert listed(colleague[1]) == [str(held)]
    assert colleague[1].post(url(held, "correct"), LOOKED).status_code == 303
    assert ended(held) == [AssignmentEnd.SIGNED]


@pytest.mark.both_databases
def test_of_two_who_assign_it_at_once_one_wins(clinic: Clinic) -> None:
    ids = [clinic.person("doctor").id for _ in range(4)]
    scan_id = clinic.scan(Status.AI_ANALYZED).id

    def assign(to: uuid.UUID) -> object:
        return lambda user: assignments.assign(scan_id, to=to, by=user)

    told = at_once(clinic.app, (ids[0], assign(ids[2])), (ids[1], assign(ids[3])))  # type: ignore[arg-type]
    assert sorted(text == "done" for text in told) == [False, True]
    assert "only these two pass it on" in next(text for text in told if text != "done")
    assert ended(scan_id) == [None]


def test_assigned_twice_to_the_same_doctor_it_is_one_assignment_and_one_mail(clinic: Clinic) -> None:
    doctor, other = clinic.person("doctor"), clinic.person("doctor")
    ids = doctor.id, other.id
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    for _ in range(2):
        with transaction():
            assignments.assign(scan_id, to=ids[1], by=db.session.get_one(User, ids[0]))
    assert ended(scan_id) == [None]
    assert lists.next_scan_for(db.session.get_one(User, ids[0])) is None
