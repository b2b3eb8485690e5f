"""Two people at once, with real threads and real commits: one wins, the other is told so, nothing is overwritten."""

import threading
import time
import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from csss.auth import accounts, registration, second_factor
from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.database import db, transaction
from csss.errors import Invalid, StateConflict
from csss.notices.models import MailKind, MailMessage
from csss.outbox import OutboxJob
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.prescriptions import services as prescriptions
from csss.prescriptions.models import Prescription
from csss.reports import services as reports
from csss.reports.models import Approval
from csss.scans import analysis, services
from csss.scans.models import AnalysisRun, Prediction, Review, Scan, ScanClosure, ScanEvent
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, HoldFor, RunState, Status
from tests.factories import PASSWORD, Clinic, reading
from tests.visitor import Visitor, words

pytestmark = pytest.mark.both_databases

Act = Callable[[User], object]


def at_once(app: Flask, *acts: tuple[uuid.UUID, Act]) -> list[str]:
    """Each act in a thread, app context and transaction of its own, begun at the same moment.

    Each has looked at the database before the start, like somebody with the page open. Returns, in order, `done`
    or the sentence of the refusal.
    """
    start = threading.Barrier(len(acts))
    told: list[str] = [""] * len(acts)

    def act(place: int, user_id: uuid.UUID, what: Act) -> None:
        with app.app_context():
            user = db.session.get_one(User, user_id)
            db.session.scalars(select(Scan)).all()
            start.wait(timeout=20)
            try:
                with transaction():
                    what(user)
                told[place] = "done"
            except (StateConflict, Invalid) as refusal:
                told[place] = str(refusal)
            finally:
                db.session.remove()

    db.session.remove()
    threads = [threading.Thread(target=act, args=(place, *one)) for place, one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    return told


def slow_commit(what: Act, started: threading.Event, seconds: float = 0.3) -> Act:
    """Do it, tell that it is done, and commit only a while later."""

    def act(user: User) -> None:
        what(user)
        db.session.flush()
        started.set()
        time.sleep(seconds)

    return act


def after(started: threading.Event, what: Act) -> Act:
    def wait(user: User) -> None:
        assert started.wait(timeout=20)
        what(user)

    return wait


def count(model: type, *conditions: object) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0  # type: ignore[arg-type]


def verify(scan_id: uuid.UUID) -> Act:
    def act(user: User) -> None:
        written = ReviewText(f"Read by {user.name}.", "", "Normal chest", Agreement.AGREE)
        services.verify(scan_id, written, by=user)

    return act


def approve(scan_id: uuid.UUID) -> Act:
    return lambda user: reports.approve(
        scan_id, proof=Proof(user.id, CodePurpose.APPROVAL, scan_id, "authenticator"), by=user
    )


def complete(scan_id: uuid.UUID) -> Act:
    return lambda user: prescriptions.complete(scan_id, lines=[], none_needed=True, notes="", by=user)


CASES = [
    pytest.param("doctor", Status.AI_ANALYZED, verify, Review, "A doctor has verified", id="verify"),
    pytest.param(
        "pharmacist", Status.DOCTOR_VERIFIED, complete, Prescription, "The pharmacist has", id="complete"
    ),
    pytest.param(
        "admin", Status.PHARMACIST_COMPLETED, approve, Approval, "The report has been", id="approve"
    ),
]


@pytest.mark.parametrize(("role", "status", "act", "table", "sentence"), CASES)
def test_of_two_who_take_the_same_step_one_wins(
    clinic: Clinic, role: str, status: Status, act: Callable[[uuid.UUID], Act], table: type, sentence: str
) -> None:
    one, other = clinic.person(role).id, clinic.person(role).id
    scan_id = clinic.scan(status).id
    told = at_once(clinic.app, (one, act(scan_id)), (other, act(scan_id)))
    assert sorted(text == "done" for text in told) == [False, True]
    assert next(text for text in told if text != "done").startswith(sentence)
    assert count(table, table.scan_id == scan_id) == 1  # type: ignore[attr-defined]
    scan = db.session.get_one(Scan, scan_id)
    winner = (one, other)[told.index("done")]
    assert [event.actor_id for event in scan.events][-1] == winner
    assert len(scan.events) == list(Status).index(scan.status) + 1


def test_who_comes_while_another_is_at_it_waits_and_is_told(clinic: Clinic) -> None:
    """Not by luck: the second asks after the first has written and before the first has committed."""
    one, other = clinic.person("doctor").id, clinic.person("doctor").id
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    started = threading.Event()
    first = slow_commit(verify(scan_id), started)
    if (
        db.engine.dialect.name == "sqlite"
    ):  # there the second cannot even begin to write; the wait is the database's
        told = at_once(clinic.app, (one, first), (other, verify(scan_id)))
        assert sorted(text == "done" for text in told) == [False, True]
    else:
        told = at_once(clinic.app, (one, first), (other, after(started, verify(scan_id))))
        assert told == ["done", "A doctor has verified the scan already; it waits for the pharmacist."]
    assert count(Review) == 1


def test_of_two_doctors_who_send_the_form_at_once_one_is_told_so_with_the_state(clinic: Clinic) -> None:
    """The whole way through the web server: one 303, one 409 that says where the scan stands now."""
    visitors = [clinic.visitor(clinic.person("doctor")) for _ in range(2)]
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    start = threading.Barrier(2)
    answers: list[tuple[int, str]] = []

    def send(visitor: Visitor) -> None:
        form = {"findings": "Clear lungs.", "diagnosis": "Normal chest", "agreement": "agree"}
        with clinic.app.app_context():
            start.wait(timeout=20)
            answer = visitor.post(f"/doctor/scans/{scan_id}/verify", form)
            answers.append((answer.status_code, words(answer)))

    db.session.remove()
    threads = [threading.Thread(target=send, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    (won, _), (lost, told) = sorted(answers)
    assert (won, lost) == (303, 409)
    assert "A doctor has verified the scan already" in told
    assert count(Review) == 1


def test_analysis_is_started_once_however_often_it_is_pressed(clinic: Clinic) -> None:
    doctors = [clinic.person("doctor").id for _ in range(4)]
    scan_id = clinic.scan().id
    told = at_once(
        clinic.app, *((doctor, lambda user: analysis.start(scan_id, by=user)) for doctor in doctors)
    )
    assert told.count("done") == 1
    assert told.count("The analysis has been started already.") == 3
    assert count(AnalysisRun) == 1
    assert count(OutboxJob, OutboxJob.job == "analyse_scan") == 1


def test_a_scan_is_either_closed_or_verified(clinic: Clinic) -> None:
    one, other = clinic.person("doctor").id, clinic.person("doctor").id
    scan_id = clinic.scan(Status.AI_ANALYZED).id

    def close(user: User) -> None:
        services.close(scan_id, reason="Wrong patient", by=user)

    closed, verified = at_once(clinic.app, (one, close), (other, verify(scan_id)))
    scan = db.session.get_one(Scan, scan_id)
    assert closed == "done"  # a verified scan may still be closed
    if verified == "done":
        assert (scan.status, count(Review)) == (Status.DOCTOR_VERIFIED, 1)
    else:
        assert verified == "The scan has been closed."
        assert (scan.status, count(Review)) == (Status.AI_ANALYZED, 0)
    assert count(ScanClosure) == 1


def test_a_scan_is_closed_once(clinic: Clinic) -> None:
    doctors = [clinic.person("doctor").id for _ in range(2)]
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    told = at_once(
        clinic.app,
        *((doctor, lambda user: services.close(scan_id, reason="Blurred", by=user)) for doctor in doctors),
    )
    assert sorted(told) == ["The scan has been closed.", "done"]


def test_a_report_is_either_held_or_approved(clinic: Clinic) -> None:
    one, other = clinic.person("admin").id, clinic.person("admin").id
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    told = at_once(
        clinic.app,
        (one, lambda user: reports.hold(scan_id, to=HoldFor.DOCTOR, note="Which side?", by=user)),
        (other, approve(scan_id)),
    )
    assert told.count("done") == 1
    scan = db.session.get_one(Scan, scan_id)
    assert (scan.open_hold is not None) == (told[0] == "done")
    assert (scan.status is Status.REPORT_READY) == (told[1] == "done")


def test_two_addenda_at_once_are_two(clinic: Clinic) -> None:
    doctors = [clinic.person("doctor").id for _ in range(2)]
    scan_id = clinic.scan(Status.REPORT_READY).id
    told = at_once(
        clinic.app,
        *((doctor, lambda user: reports.add_addendum(scan_id, note="Late", by=user)) for doctor in doctors),
    )
    assert told == ["done", "done"]
    assert [each.number for each in db.session.get_one(Scan, scan_id).addenda] == [1, 2]


def test_the_machine_and_a_doctor_who_reads_without_it(clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    doctor_id, scan_id = doctor.id, clinic.scan().id
    with transaction():
        run_id = analysis.start(scan_id, by=doctor).id
    told = at_once(
        clinic.app,
        (doctor_id, lambda _: analysis.keep_result(run_id, reading(heatmap=None), None)),
        (doctor_id, lambda user: analysis.read_without_classifier(scan_id, reason="No time", by=user)),
    )
    assert told[0] == "done"
    assert count(Prediction) == 1
    assert count(ScanEvent, ScanEvent.became == Status.AI_ANALYZED) == 1
    run = db.session.get_one(AnalysisRun, run_id)
    assert run.state is (RunState.FAILED if told[1] == "done" else RunState.DONE)


def test_a_run_that_failed_stays_failed(clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    doctor_id, scan_id = doctor.id, clinic.scan().id
    with transaction():
        run_id = analysis.start(scan_id, by=doctor).id
    at_once(
        clinic.app,
        (doctor_id, lambda _: analysis.keep_failure(run_id, "The analysis could not be done.")),
        (doctor_id, lambda _: analysis.keep_result(run_id, reading(heatmap=None), None)),
    )
    run = db.session.get_one(AnalysisRun, run_id)
    scan = db.session.get_one(Scan, scan_id)
    assert (run.state is RunState.FAILED) == (scan.status is Status.PENDING_AI) == (scan.prediction is None)
    assert bool(run.failure) == (run.state is RunState.FAILED)


def test_two_administrators_who_shut_each_other_leave_one(clinic: Clinic) -> None:
    one, other = clinic.person("admin").id, clinic.person("admin").id
    told = at_once(
        clinic.app,
        (one, lambda user: accounts.deactivate(other, by=user)),
        (other, lambda user: accounts.deactivate(one, by=user)),
    )
    assert sorted(told) == ["Your own account has just been deactivated.", "done"]
    assert count(User, User.state == AccountState.ACTIVE) == 1


def test_an_address_is_registered_once(clinic: Clinic) -> None:
    admin = clinic.person("admin").id

    def register(_: User) -> None:
        accounts.register(
            email="new@csss.example", name="New", password=PASSWORD, role=Role.DOCTOR, patient=None
        )

    told = at_once(clinic.app, (admin, register), (admin, register))
    assert sorted(told) == ["There is an account with this address already. Sign in instead.", "done"]


def test_of_two_links_asked_for_at_once_one_is_the_last_of_the_hour(clinic: Clinic) -> None:
    patient = clinic.person("patient", confirmed=False)  # registering has sent the first
    patient_id = patient.id
    with transaction():
        accounts.send_confirmation_again(patient)
    told = one_after_the_other(clinic.app, patient_id, accounts.send_confirmation_again)
    assert told[0] == "done" and told[1].startswith("3 links have been sent within an hour.")
    links = MailMessage.kind == MailKind.CONFIRM_ADDRESS
    assert count(MailMessage, links) == accounts.CONFIRMATIONS_PER_WINDOW


def test_of_recovery_codes_made_twice_at_once_the_later_ones_work(clinic: Clinic) -> None:
    doctor_id = clinic.person("doctor").id
    told = one_after_the_other(clinic.app, doctor_id, second_factor.new_recovery_codes)
    assert told == ["done", "done"]
    assert (
        second_factor.recovery_codes_left(db.session.get_one(User, doctor_id)) == second_factor.RECOVERY_CODES
    )


def test_the_owner_of_an_address_that_is_registered_twice_at_once_is_told_once(clinic: Clinic) -> None:
    doctor = clinic.person("doctor")
    doctor_id, email = doctor.id, doctor.email

    def register(_: User) -> None:
        registration.ask_for_account(
            email=email,
            name="New",
            password=PASSWORD,
            password_hash="made before",
            role=Role.DOCTOR,
            patient=None,
        )

    assert one_after_the_other(clinic.app, doctor_id, register) == ["done", "done"]
    assert count(MailMessage, MailMessage.kind == MailKind.ADDRESS_TAKEN) == 1


def one_after_the_other(app: Flask, user_id: uuid.UUID, act: Act) -> list[str]:
    """The same act of one person twice: the second begins while the first has not been committed."""
    started = threading.Event()
    return at_once(app, (user_id, slow_commit(act, started)), (user_id, after(started, act)))
