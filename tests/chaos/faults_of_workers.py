"""Workers that are killed at every point of their work, and jobs that cannot be done."""

import signal
import time
import uuid
from collections.abc import Callable

from sqlalchemy import select

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.database import db, transaction
from csss.notices.models import MailMessage, MailState
from csss.outbox import Queue
from csss.reports import services as reports
from csss.scans.states import Status
from tests.chaos.failure import Failed
from tests.chaos.matrix import Run, fault
from tests.chaos.world import Chaos, kill_process, parent_of

LOOKS = "The classifier is looking at the scan."


def _killed_at(point: str) -> Run:
    """Every inference worker stops at `point` with a scan of its own; all are killed, and started again."""

    def run(chaos: Chaos, together: int) -> list[float]:
        scans = [chaos.scan() for _ in range(together)]
        names = chaos.workers(Queue.INFERENCE, together)
        with chaos.held(point) as arrived:
            for scan_id in scans:
                chaos.press_analyse(scan_id)
            jobs = arrived(together)
            if point != "result-kept":
                chaos.says("doctor", f"/doctor/scans/{scans[0]}", LOOKS)
            began = time.monotonic()
            for name in names:
                chaos.kill(name)
            for pid in jobs:
                kill_process(pid)
        chaos.workers(Queue.INFERENCE, together)
        return _until_analysed(chaos, scans, began)

    return run


def _until_analysed(chaos: Chaos, scans: list[uuid.UUID], began: float) -> list[float]:
    for scan_id in scans:
        chaos.wait(lambda scan_id=scan_id: chaos.analysed(scan_id), f"scan {scan_id} was never analysed")
    chaos.wait(lambda: chaos.open_jobs() == 0, "a job was never done")
    took = time.monotonic() - began
    chaos.check()
    return [took] * len(scans)


for _point, _about in (
    ("job-taken", "worker killed: job taken from the queue, nothing noted"),
    ("before-inference", "worker killed: before inference"),
    ("during-inference", "worker killed: during inference"),
    ("after-inference", "worker killed: after inference, heat map stored"),
    ("result-kept", "worker killed: result kept, job not marked done"),
):
    fault(f"kill-{_point}", _about, together=4)(_killed_at(_point))


@fault("kill-child", "only the job's process killed (out of memory)")
def only_the_child(chaos: Chaos, _: int) -> list[float]:
    scan_id = chaos.scan()
    chaos.workers(Queue.INFERENCE, 1)
    with chaos.held("during-inference") as arrived:
        chaos.press_analyse(scan_id)
        (job,) = arrived()
        began = time.monotonic()
        kill_process(job)
    return _until_analysed(chaos, [scan_id], began)


@fault("kill-parent", "only the worker killed, its job's process lives on")
def only_the_parent(chaos: Chaos, _: int) -> list[float]:
    scan_id = chaos.scan()
    (name, *_rest) = chaos.workers(Queue.INFERENCE, 1)
    with chaos.held("during-inference") as arrived:
        chaos.press_analyse(scan_id)
        arrived()
        for each in [each for each in chaos.stack.processes if each.startswith("worker-inference")]:
            chaos.kill(each)
        chaos.workers(Queue.INFERENCE, 1)
        time.sleep(8)  # long enough for a sweep: the row must stay with the process that is at it
        began = time.monotonic()
    took = _until_analysed(chaos, [scan_id], began)
    if name not in chaos.stack.processes:
        raise Failed("the worker was not started again")
    return took


def _approve(chaos: Chaos, scan_id: uuid.UUID) -> None:
    admin = chaos.user("admin")
    with transaction():
        proof = Proof(admin.id, CodePurpose.APPROVAL, scan_id, "authenticator")
        reports.approve(scan_id, proof=proof, by=admin)


def _killed_at_pdf(point: str) -> Run:
    def run(chaos: Chaos, together: int) -> list[float]:
        scans = [chaos.scan(Status.PHARMACIST_COMPLETED) for _ in range(together)]
        patient = chaos.patient_of(scans[0])
        names = chaos.workers(Queue.REPORTS, together)
        with chaos.held(point) as arrived:
            for scan_id in scans:
                _approve(chaos, scan_id)
            jobs = arrived(together)
            if point == "during-pdf":
                text = chaos.new_browser(patient).page(f"/patient/scans/{scans[0]}")
                if "is being made" not in text:
                    raise Failed("the patient is not told that the report is being made")
            began = time.monotonic()
            if point == "during-pdf":  # laid out in a child of the job's process: both must go
                jobs += [parent_of(pid) for pid in jobs]
            for name in names:
                chaos.kill(name)
            for pid in jobs:
                kill_process(pid)
        chaos.workers(Queue.REPORTS, together)
        took = []
        for scan_id in scans:
            chaos.wait(lambda scan_id=scan_id: chaos.report(scan_id), "a report was never made")
            took.append(time.monotonic() - began)
        chaos.check()
        return took

    return run


fault("kill-during-pdf", "worker killed: during PDF", together=2)(_killed_at_pdf("during-pdf"))
fault("kill-keeping-pdf", "worker killed: PDF stored, within its transaction")(_killed_at_pdf("keeping-pdf"))


@fault(
    "kill-mail-accepted", "worker killed between SMTP acceptance and commit (may repeat, marked)", together=2
)
def after_acceptance(chaos: Chaos, together: int) -> list[float]:
    names = chaos.workers(Queue.MAIL, together)
    with chaos.held("mail-accepted") as arrived:
        people = [chaos.clinic.person("doctor").id for _ in range(together)]
        jobs = arrived(together)
        chaos.says("admin", "/admin/mail?state=sending", "Being sent")
        began = time.monotonic()
        for name in names:
            chaos.kill(name)
        for pid in jobs:
            kill_process(pid)
    chaos.workers(Queue.MAIL, together)
    took = []
    for person in people:
        chaos.repeated.add(_mail_of(chaos, person).message_id)
        chaos.wait(
            lambda person=person: _mail_of(chaos, person).state is MailState.SENT, "a mail was never sent"
        )
        took.append(time.monotonic() - began)
        message = _mail_of(chaos, person)
        copies = chaos.stack.mailbox.copies()[message.message_id]
        if len(copies) != 2 or copies[1]["X-CSSS-Repeated"] != "possibly" or not message.maybe_repeated:
            raise Failed(f"{len(copies)} copies of a mail, the second one must be marked")
    chaos.check()
    return took


def _mail_of(chaos: Chaos, person: uuid.UUID) -> MailMessage:
    db.session.rollback()
    return db.session.scalars(select(MailMessage).where(MailMessage.user_id == person)).one()


@fault("job-always-fails", "a job that always fails")
def always_fails(chaos: Chaos, _: int) -> list[float]:
    """Given up after its tries; the doctor reads why and presses the button again once it can be done."""
    return _gives_up(chaos, lambda: chaos.failing("before-inference"), "Something went wrong on our side")


def _gives_up(chaos: Chaos, trouble: Callable[[], object], sentence: str) -> list[float]:
    scan_id = chaos.scan()
    with trouble():  # type: ignore[attr-defined]
        chaos.press_analyse(scan_id)
        took = chaos.wait(
            lambda: "The analysis failed" in chaos.browser("doctor").page(f"/doctor/scans/{scan_id}"),
            "the doctor is never told that the analysis failed",
        )
        chaos.says("doctor", f"/doctor/scans/{scan_id}", sentence)
        chaos.says("admin", "/admin/jobs", "Analyse a scan")
    began = time.monotonic()
    chaos.press_analyse(scan_id)
    return [max(took, *_until_analysed(chaos, [scan_id], began))]


@fault("model-absent", "model file absent")
def model_absent(chaos: Chaos, _: int) -> list[float]:
    return _gives_up(chaos, lambda: _Model(chaos, None), "The classifier is not installed.")


@fault("model-corrupt", "model file corrupt")
def model_corrupt(chaos: Chaos, _: int) -> list[float]:
    return _gives_up(chaos, lambda: _Model(chaos, 0.5), "The classifier's files are damaged.")


class _Model:
    """Inside it, the workers are started with a model file that is gone, or cut off after a part of it."""

    def __init__(self, chaos: Chaos, part: float | None) -> None:
        self._chaos, self._part = chaos, part
        self._file = chaos.stack.folder / "model" / "model.tflite"
        self._content = self._file.read_bytes()

    def __enter__(self) -> None:
        if self._part is None:
            self._file.unlink()
        else:
            self._file.write_bytes(self._content[: int(len(self._content) * self._part)])
        for name in [each for each in self._chaos.stack.processes if each.startswith("worker-inference")]:
            self._chaos.stack.kill(name, signal.SIGTERM)
        self._chaos.workers(Queue.INFERENCE, 1)
        told = self._chaos.readiness()["model"]
        if told == "ok":
            raise Failed("/readyz tells nothing of the model")

    def __exit__(self, *_: object) -> None:
        self._file.write_bytes(self._content)


@fault(
    "clock-back", "the clock steps back an hour: a job in a dead worker's hands, one waiting, one in a pause"
)
def clock_back(chaos: Chaos, _: int) -> list[float]:
    scan_id, other = chaos.scan(), chaos.scan()
    (name, *_rest) = chaos.workers(Queue.INFERENCE, 1)
    for each in [
        each for each in chaos.stack.processes if each.startswith("worker-inference") and each != name
    ]:
        chaos.kill(each)
    chaos.stack.mailbox.mood = "4xx"
    person = chaos.clinic.person("doctor").id
    chaos.wait(lambda: _mail_of(chaos, person).last_error != "", "the mail was never tried")
    with chaos.held("during-inference") as arrived:
        chaos.start_analysis(scan_id)
        jobs = arrived()
        chaos.start_analysis(other)
        chaos.set_clock(-3600)
        chaos.stack.mailbox.mood = "ok"
        began = time.monotonic()
        chaos.kill(name, *jobs)
    chaos.workers(Queue.INFERENCE, 1)
    took = _until_analysed(chaos, [scan_id, other], began)
    if _mail_of(chaos, person).state is not MailState.SENT:
        raise Failed("the mail waits for the clock")
    chaos.set_clock(0)
    return [max(took)]
