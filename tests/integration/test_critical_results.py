"""A critical result reaches somebody who acts: on top of the lists, by name and time, in the report and the figures."""

import uuid

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.notices.models import MailKind, MailMessage
from csss.people.models import User
from csss.reports import services as reports
from csss.reports.build import report_context
from csss.scans.critical_models import CriticalStep
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.statistics import queries as statistics
from tests.factories import Clinic
from tests.integration.critical import CALL, CRITICAL, critical_scan, events, marked_ago, results
from tests.integration.doctor import LOOKED, hold, listed, url
from tests.integration.pages import fresh
from tests.integration.test_workflow_races import at_once
from tests.visitor import Visitor, words


def take_note(visitor: Visitor, scan_id: uuid.UUID, number: int = -1, **more: str) -> object:
    return visitor.post(f"/scans/{scan_id}/critical", {"result": str(results(scan_id)[number].id), **more})


def order(visitor: Visitor, page: str) -> list[str]:
    return [row["id"].removeprefix("scan-") for row in visitor.page(page).select("#queue tbody tr")]


# Marking


def test_the_mark_needs_its_sentence_and_the_sentence_its_mark(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    for sent, sentence in (
        ({**LOOKED, "critical": "y"}, "Write what must be done now"),
        ({**LOOKED, "critical_action": CALL}, "Tick “Critical result”"),
        ({**CRITICAL, "critical_action": "x" * 301}, "At most 300 characters"),
        ({**CRITICAL, "critical_action": "Call 𓀀 in."}, "𓀀"),
    ):
        answer = doctor.post(url(scan_id, "verify"), sent)
        assert answer.status_code == 422 and sentence in words(answer), sentence
        page = answer.get_data(as_text=True)
        assert sent.get("critical_action", "") in page  # what was typed is still there
    assert fresh(scan_id).status is Status.AI_ANALYZED and results(scan_id) == []


def test_a_draft_keeps_the_mark(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    sent = {"critical": "y", "critical_action": CALL}
    assert doctor.post(url(scan_id, "draft"), sent).status_code == 303
    page = doctor.page(url(scan_id))
    assert page.select_one("#critical").has_attr("checked")
    assert page.select_one("#critical_action")["value"] == CALL
    assert results(scan_id) == []  # nothing is signed yet


def test_a_signed_mark_goes_to_the_top_and_is_mailed_without_a_word_about_the_patient(
    clinic: Clinic, doctor: Visitor, pharmacist: Visitor, admin: Visitor
) -> None:
    earlier = str(clinic.scan(Status.DOCTOR_VERIFIED).id)
    scan = clinic.scan(Status.AI_ANALYZED, indication="Sudden pain")
    scan_id, patient, mrn = scan.id, scan.patient.user.name, scan.patient.mrn
    assert doctor.post(url(scan_id, "verify"), CRITICAL).status_code == 303
    assert order(pharmacist, "/pharmacist/") == [str(scan_id), earlier]
    for visitor, page in ((pharmacist, "/pharmacist/"), (admin, "/admin/")):
        notice = visitor.page(page).select_one("#critical-notices").get_text(" ", strip=True)
        assert patient in notice and CALL in notice and "somebody must act now" in notice
    assert "Critical: nobody has taken note" in words(pharmacist.get("/pharmacist/"))

    clinic.run_jobs("send_mail")
    mails = [mail for mail in clinic.mail if "critical result" in mail["Subject"]]
    people = db.session.scalars(select(User.email).where(User.role.in_(("pharmacist", "admin")))).all()
    assert sorted(mail["To"] for mail in mails) == sorted(people)
    for mail in mails:
        text = mail["Subject"] + mail.get_content()
        assert not [word for word in (patient, mrn, CALL, "Normal", str(scan_id)) if word in text]


def test_who_takes_note_is_kept_by_name_and_time_and_the_first_counts(
    clinic: Clinic, pharmacist: Visitor, admin: Visitor
) -> None:
    scan_id = critical_scan(clinic)
    page = pharmacist.page(f"/pharmacist/scans/{scan_id}")
    form = page.select_one("#critical-result form")
    assert "I have taken note" in form.get_text()
    answer = pharmacist.post(form["action"], {"result": form.select_one("[name=result]")["value"]})
    assert answer.status_code == 303 and answer.headers["Location"].endswith(f"/pharmacist/scans/{scan_id}")
    assert take_note(pharmacist, scan_id).status_code == 303  # pressed twice
    assert take_note(admin, scan_id, back="list").headers["Location"].endswith("/admin/")
    assert "taken note of it before you: Pharmacist" in words(admin.get("/admin/"))

    kept = events(scan_id)
    assert [(each.what, each.person.role.value) for each in kept] == [
        (CriticalStep.ACKNOWLEDGED, "pharmacist")
    ]
    for visitor, address in (
        (admin, f"/admin/scans/{scan_id}"),
        (pharmacist, f"/pharmacist/scans/{scan_id}"),
    ):
        shown = visitor.page(address).select_one("#critical-result")
        assert "Taken note of by Pharmacist" in shown.get_text(" ", strip=True) and shown.form is None
    assert admin.page("/admin/").select_one("#critical-notices").get_text(strip=True) == ""
    actions = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "scan.critical_acknowledged")
    ).all()
    assert len(actions) == 1 and CALL not in str(actions[0].detail)


@pytest.mark.both_databases
def test_of_two_who_take_note_at_once_one_is_kept(clinic: Clinic) -> None:
    from csss.scans import critical_results

    people = [clinic.person(role).id for role in ("pharmacist", "admin", "admin")]
    scan_id = critical_scan(clinic)
    result_id = results(scan_id)[0].id

    def act(user: User) -> None:
        critical_results.acknowledge(scan_id, result_id, by=user)

    assert at_once(clinic.app, *((person, act) for person in people)) == ["done"] * 3
    assert len(events(scan_id)) == 1


def test_neither_a_doctor_nor_a_patient_takes_note(clinic: Clinic, doctor: Visitor, patient: Visitor) -> None:
    scan_id = critical_scan(clinic)
    for visitor in (doctor, patient):
        assert take_note(visitor, scan_id).status_code == 403
    assert "Nobody has taken note yet" in words(doctor.get(url(scan_id)))
    assert events(scan_id) == []


def test_a_number_of_another_scan_or_of_none_is_not_found(clinic: Clinic, admin: Visitor) -> None:
    scan_id, other = critical_scan(clinic), critical_scan(clinic)
    for sent in ({"result": str(results(other)[0].id)}, {"result": "7"}, {}):
        assert admin.post(f"/scans/{scan_id}/critical", sent).status_code == 404
    assert events(scan_id) == [] == events(other)


# Changing it


def signed_by(clinic: Clinic) -> tuple[uuid.UUID, Visitor]:
    person = clinic.person("doctor")
    person_id = person.id
    return critical_scan(clinic, person), clinic.visitor(db.session.get_one(User, person_id))


def test_the_same_sentence_in_the_next_version_carries_it_on(clinic: Clinic, pharmacist: Visitor) -> None:
    scan_id, doctor = signed_by(clinic)
    take_note(pharmacist, scan_id)
    assert doctor.post(url(scan_id, "take-back")).status_code == 303
    assert "I have taken note" not in words(pharmacist.get("/pharmacist/"))
    assert doctor.post(url(scan_id, "correct"), CRITICAL).status_code == 303
    assert len(fresh(scan_id).reviews) == 2
    assert [(each.number, each.withdrawn_at) for each in results(scan_id)] == [(1, None)]


def test_another_sentence_has_to_be_taken_note_of_anew(clinic: Clinic, admin: Visitor) -> None:
    scan_id, doctor = signed_by(clinic)
    take_note(admin, scan_id)
    doctor.post(url(scan_id, "take-back"))
    changed = {**CRITICAL, "critical_action": "Send the ambulance."}
    assert doctor.post(url(scan_id, "correct"), changed).status_code == 303
    old, new = results(scan_id)
    assert old.withdrawn_at and not new.settled_at
    refused = take_note(admin, scan_id, number=0)
    assert refused.status_code == 409 and "changed or withdrawn" in words(refused)
    assert "Send the ambulance." in words(admin.get("/admin/"))
    assert take_note(admin, scan_id).status_code == 303
    history = words(admin.get(f"/admin/scans/{scan_id}"))
    assert "Critical result withdrawn" in history and "Critical result taken note of" in history


def test_who_had_taken_note_hears_that_it_was_withdrawn(clinic: Clinic, pharmacist: Visitor) -> None:
    scan_id, doctor = signed_by(clinic)
    take_note(pharmacist, scan_id)
    clinic.run_jobs("send_mail")
    before = len(clinic.mail)
    doctor.post(url(scan_id, "take-back"))
    assert doctor.post(url(scan_id, "correct"), LOOKED).status_code == 303
    assert results(scan_id)[0].withdrawn_at and fresh(scan_id).review.critical_action == ""
    assert "Critical" not in words(pharmacist.get("/pharmacist/"))
    clinic.run_jobs("send_mail")
    assert ["withdrawn" in mail["Subject"] for mail in clinic.mail[before:]] == [True]
    actions = db.session.scalars(select(AuditEvent.action)).all()
    assert {"scan.marked_critical", "scan.critical_withdrawn"} <= set(actions)


def test_a_correction_can_mark_it_later(clinic: Clinic, doctor: Visitor, admin: Visitor) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, scan_id)
    assert doctor.post(url(scan_id, "correct"), CRITICAL).status_code == 303
    assert results(scan_id)[0].review_version == 2
    assert order(admin, "/admin/")[0] == str(scan_id)


def test_an_addendum_can_mark_it_after_the_release(clinic: Clinic, doctor: Visitor, admin: Visitor) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    refused = doctor.post(url(scan_id, "addendum"), {"note": "Seen late.", "critical": "y"})
    assert refused.status_code == 422 and "Write what must be done now" in words(refused)
    sent = {"note": "Seen late.", "critical": "y", "critical_action": CALL}
    assert doctor.post(url(scan_id, "addendum"), sent).status_code == 303
    assert results(scan_id)[0].addendum_number == 1
    assert CALL in words(admin.get("/admin/"))
    assert doctor.post(url(scan_id, "addendum"), {"note": "One more word."}).status_code == 303
    assert [each.withdrawn_at for each in results(scan_id)] == [None]  # without a mark it withdraws nothing


def test_closing_the_scan_does_not_hide_it(clinic: Clinic, doctor: Visitor, admin: Visitor) -> None:
    scan_id = critical_scan(clinic)
    assert doctor.post(url(scan_id, "close"), {"reason": "Another patient’s."}).status_code == 303
    assert CALL in words(admin.get("/admin/"))
    assert take_note(admin, scan_id).status_code == 303


# What is told of it


@pytest.mark.parametrize("taken", [False, True])
def test_the_report_says_to_whom_it_was_communicated(clinic: Clinic, admin: Visitor, taken: bool) -> None:
    scan_id = critical_scan(clinic)
    clinic.complete(scan_id, clinic.person("pharmacist"))
    if taken:
        take_note(admin, scan_id)
    else:
        page = words(admin.get(f"/admin/scans/{scan_id}"))
        assert "Critical result: somebody must act now" in page
    clinic.approve(scan_id, clinic.person("admin"))
    scan = db.session.get_one(Scan, scan_id)
    shown = report_context(scan, report_id="r", version=1).critical
    assert shown is not None and shown.action == CALL
    assert (shown.taken_by, shown.role) == (("Admin 1", "Administrator") if taken else (None, ""))
    clinic.run_jobs("render_report")


def test_an_addendums_mark_is_in_its_version_and_not_in_the_first(clinic: Clinic) -> None:
    scan_id, doctor = clinic.scan(Status.REPORT_READY).id, clinic.person("doctor")
    with transaction():
        reports.add_addendum(scan_id, note="Late.", critical=True, critical_action=CALL, by=doctor)
    scan = db.session.get_one(Scan, scan_id)
    assert report_context(scan, report_id="r", version=1).critical is None
    second = report_context(scan, report_id="r", version=2).critical
    assert second is not None and second.action == CALL


def test_several_reports_are_approved_with_a_warning(clinic: Clinic, admin: Visitor) -> None:
    scan_id = critical_scan(clinic)
    clinic.complete(scan_id, clinic.person("pharmacist"))
    answer = admin.post("/admin/approvals", {"scan": str(scan_id)})
    assert f"nobody has taken note of it: {CALL}" in words(admin.get(answer.headers["Location"]))


def test_statistics_count_them_and_how_long_it_took(clinic: Clinic, admin: Visitor) -> None:
    scans = [critical_scan(clinic) for _ in range(5)]
    for scan_id, minutes in zip(scans, (10, 20, 90, 120, 5), strict=True):
        marked_ago(scan_id, minutes=minutes)
    for scan_id in scans[:3]:
        take_note(admin, scan_id)
    found = statistics.count(30).criticals
    assert (found.marked, found.decided, found.within) == (5, 4, 2)  # the fifth still has time
    assert found.waits is not None and found.waits.count == 3
    assert round(found.waits.median.total_seconds() / 60) == 20
    assert round(found.waits.p90.total_seconds() / 60) == 90
    page = admin.page("/admin/statistics?days=30").select_one("#criticals").get_text(" ", strip=True)
    assert "2 of 4: 50 %" in page and "20 min" in page and "1 h 30 min" in page
    text = admin.get("/admin/statistics.csv?days=30").get_data(as_text=True)
    assert '"critical results","marked","","5"' in text
    assert '"critical results","taken note of in time","","2"' in text


def test_the_doctors_list_stays_as_it_was(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = critical_scan(clinic)
    assert str(scan_id) not in listed(doctor)
    assert doctor.page("/doctor/").select_one("#critical-notices").get_text(strip=True) == ""


def test_mail_about_what_somebody_has_taken_note_of_is_not_sent(clinic: Clinic, admin: Visitor) -> None:
    clinic.person("pharmacist")
    scan_id = critical_scan(clinic)
    take_note(admin, scan_id)
    clinic.run_jobs("send_mail")
    states = db.session.scalars(
        select(MailMessage.state).where(MailMessage.kind == MailKind.CRITICAL_RESULT)
    ).all()
    assert set(states) == {"dropped"} and not [mail for mail in clinic.mail if "critical" in mail["Subject"]]
