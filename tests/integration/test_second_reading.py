"""A second reading is asked for by one press and written without knowing the first; then both see both."""

import uuid

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.people.models import AccountState, User
from csss.scans import second_readings
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import Status
from csss.scans.together_models import SecondReading
from csss.statistics import queries as statistics
from tests.factories import Clinic
from tests.integration.doctor import LOOKED, listed, url
from tests.integration.pages import fresh
from tests.integration.test_workflow_races import at_once
from tests.visitor import Visitor, words

FIRST = {"findings": "A shadow on the left.", "impression": "", "diagnosis": "Carcinoma"}
SECOND = {"findings": "Old scar, left.", "impression": "", "diagnosis": "Scar"}


@pytest.fixture
def colleague(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("doctor", name="Cora Colleague"))


@pytest.fixture
def asked(clinic: Clinic, doctor: Visitor) -> uuid.UUID:
    """A scan of which `doctor` has asked for a second reading."""
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    answer = doctor.post(url(scan_id, "ask-second-reading"), FIRST)
    assert answer.status_code == 303, words(answer)
    return scan_id


def test_it_needs_a_conclusion_of_ones_own_first(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    for sent, sentence in (
        ({"findings": "Haze."}, "Write your conclusion"),
        ({"diagnosis": "Scar"}, "Write what you see"),
    ):
        refused = doctor.post(url(scan_id, "ask-second-reading"), sent)
        assert refused.status_code == 422 and sentence in words(refused)
        assert next(iter(sent.values())) in refused.get_data(as_text=True)
    assert fresh(scan_id).second_requests == []


def test_nobody_sees_the_first_conclusion_until_their_own_is_kept(
    clinic: Clinic, asked: uuid.UUID, colleague: Visitor, pharmacist: Visitor, admin: Visitor
) -> None:
    pages = [
        colleague.get(url(asked)),
        colleague.get("/doctor/"),
        pharmacist.get(f"/pharmacist/scans/{asked}"),
        admin.get(f"/admin/scans/{asked}"),
    ]
    for page in pages:
        text = page.get_data(as_text=True)
        assert "Carcinoma" not in text and "A shadow on the left." not in text
    assert "asks for a second reading" in words(pages[0])
    assert "Second reading asked for by Doctor" in words(pages[1])
    form = colleague.page(url(asked)).select_one("#review-form")
    assert "Keep the second reading" in form.get_text() and form["action"].endswith("/second-reading")
    assert form.select_one("[name=agreement]") is None and form.select_one("[name=critical]") is None
    for event in db.session.scalars(select(AuditEvent)):
        assert "Carcinoma" not in str(event.detail)


def test_then_both_see_both_and_a_disagreement_is_named(
    clinic: Clinic, asked: uuid.UUID, doctor: Visitor, colleague: Visitor
) -> None:
    assert colleague.post(url(asked, "draft"), SECOND).status_code == 303
    assert colleague.post(url(asked, "second-reading"), SECOND).status_code == 303
    for visitor in (doctor, colleague):
        card = visitor.page(url(asked)).select_one("#both-readings").get_text(" ", strip=True)
        assert "The conclusions differ: “Carcinoma” and “Scar”." in card
        assert "A shadow on the left." in card and "Old scar, left." in card
    third = clinic.visitor(clinic.person("doctor"))
    assert "Carcinoma" not in third.get(url(asked)).get_data(as_text=True)
    clinic.run_jobs("send_mail")
    (mail,) = [mail for mail in clinic.mail if "second reading" in mail["Subject"]]
    assert "Scar" not in mail.get_content() and mail["To"].startswith("doctor")

    # The status has not moved, and what the first doctor had typed is still there to be signed.
    assert fresh(asked).status is Status.AI_ANALYZED
    form = doctor.page(url(asked)).select_one("#review-form")
    assert form.select_one("[name=diagnosis]")["value"] == "Carcinoma"
    assert doctor.post(url(asked, "verify"), {**LOOKED, "diagnosis": "Scar"}).status_code == 303
    assert second_readings.standing(fresh(asked)) is None
    history = words(doctor.get(url(asked)))
    assert "Second reading asked for" in history and "Second reading written" in history


def test_the_same_conclusion_is_said_too(asked: uuid.UUID, doctor: Visitor, colleague: Visitor) -> None:
    sent = {**SECOND, "diagnosis": " carcinoma."}
    assert colleague.post(url(asked, "second-reading"), sent).status_code == 303
    assert "Both come to the same conclusion." in words(doctor.get(url(asked)))


def test_only_the_asking_doctor_signs_as_long_as_it_is_asked_for(
    asked: uuid.UUID, doctor: Visitor, colleague: Visitor
) -> None:
    refused = colleague.post(url(asked, "verify"), LOOKED)
    assert refused.status_code == 409 and "has asked for a second reading" in words(refused)
    assert LOOKED["findings"] in words(refused)  # nothing written is lost
    assert colleague.post(url(asked, "end-second-reading")).status_code == 303
    assert colleague.post(url(asked, "verify"), LOOKED).status_code == 303
    actions = db.session.scalars(select(AuditEvent.action)).all()
    assert {"scan.second_reading_asked", "scan.second_reading_ended"} <= set(actions)


def test_the_asking_doctor_may_sign_without_it(asked: uuid.UUID, doctor: Visitor, colleague: Visitor) -> None:
    assert doctor.post(url(asked, "second-reading"), SECOND).status_code == 409
    assert doctor.post(url(asked, "ask-second-reading"), FIRST).status_code == 409
    assert doctor.post(url(asked, "verify"), LOOKED).status_code == 303
    late = colleague.post(url(asked, "second-reading"), SECOND)
    assert late.status_code == 409 and "Old scar, left." in words(late)


def test_when_the_asking_doctor_has_left_any_doctor_signs(asked: uuid.UUID, colleague: Visitor) -> None:
    with transaction():
        (request,) = db.session.get_one(Scan, asked).second_requests
        request.asked_by.state = AccountState.DEACTIVATED
    assert colleague.post(url(asked, "verify"), LOOKED).status_code == 303


def test_it_is_asked_for_before_the_signature_alone(clinic: Clinic, doctor: Visitor) -> None:
    for status in (Status.PENDING_AI, Status.DOCTOR_VERIFIED, Status.REPORT_READY):
        scan_id = clinic.scan(status).id
        assert doctor.post(url(scan_id, "ask-second-reading"), FIRST).status_code == 409
        assert "Ask for a second reading" not in words(doctor.get(url(scan_id)))


def test_the_next_scan_is_one_that_this_doctor_can_go_on_with(
    asked: uuid.UUID, doctor: Visitor, colleague: Visitor
) -> None:
    assert doctor.get("/doctor/next").headers["Location"].endswith("/doctor/")
    assert colleague.get("/doctor/next").headers["Location"].endswith(str(asked))
    colleague.post(url(asked, "second-reading"), SECOND)
    assert doctor.get("/doctor/next").headers["Location"].endswith(str(asked))
    assert colleague.get("/doctor/next").headers["Location"].endswith("/doctor/")
    assert listed(doctor) == [str(asked)] and "Second reading written" in words(doctor.get("/doctor/"))


def test_closing_the_scan_ends_the_request(asked: uuid.UUID, doctor: Visitor) -> None:
    assert doctor.post(url(asked, "close"), {"reason": "Blurred"}).status_code == 303
    assert second_readings.standing(fresh(asked)) is None


@pytest.mark.parametrize("settings", [{"classifier_shown": "after_reading"}], indirect=True)
def test_a_second_reader_is_told_nothing_of_the_classifier_either(
    clinic: Clinic, doctor: Visitor, colleague: Visitor
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    assert doctor.post(url(scan_id, "ask-second-reading"), FIRST).status_code == 409  # first the impression
    assert doctor.post(url(scan_id, "reveal"), {**FIRST, "sureness": "sure"}).status_code == 303
    assert doctor.post(url(scan_id, "ask-second-reading"), FIRST).status_code == 303
    page = colleague.page(url(scan_id))
    assert page.select_one("#classifier") is None and "Carcinoma" not in page.get_text()
    assert colleague.post(url(scan_id, "second-reading"), SECOND).status_code == 303


@pytest.mark.both_databases
def test_of_two_who_write_it_at_once_one_is_kept(clinic: Clinic) -> None:
    ids = [clinic.person("doctor").id for _ in range(3)]
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    with transaction():
        second_readings.ask(scan_id, ReviewText(**FIRST), by=db.session.get_one(User, ids[0]))

    def write(user: User) -> None:
        second_readings.write(scan_id, ReviewText(**SECOND), by=user)

    told = at_once(clinic.app, (ids[1], write), (ids[2], write))
    assert sorted(text == "done" for text in told) == [False, True]
    assert "has written the second reading already" in next(text for text in told if text != "done")
    assert len(db.session.scalars(select(SecondReading)).all()) == 1


def test_statistics_say_how_often_the_two_agree(clinic: Clinic, admin: Visitor) -> None:
    ids = [clinic.person("doctor").id for _ in range(2)]
    for diagnosis in ("Carcinoma", "Scar", None):
        scan_id = clinic.scan(Status.AI_ANALYZED).id
        with transaction():
            one, other = (db.session.get_one(User, each) for each in ids)
            second_readings.ask(scan_id, ReviewText(**FIRST), by=one)
            if diagnosis:
                second_readings.write(scan_id, ReviewText("Seen.", "", diagnosis), by=other)
    found = statistics.count(30).seconds
    assert (found.asked, found.written, found.same) == (3, 2, 1)
    card = admin.page("/admin/statistics?days=30").select_one("#seconds").get_text(" ", strip=True)
    assert "1 of 2: 50 %" in card and "3 second readings were asked for" in card
    assert '"second readings","written","","2"' in admin.get("/admin/statistics.csv?days=30").get_data(True)
