"""The system under fire: the real stack, people who use it, and a look at what it has made of everything."""

import hashlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import select

from csss.database import db, transaction
from csss.inference.labels import default_folder
from csss.notices.models import MailMessage, MailState
from csss.outbox import OutboxJob, Queue
from csss.people.models import Patient, User
from csss.reports.models import ReportVersion
from csss.scans import analysis
from csss.scans.models import Prediction, Scan
from csss.scans.states import Status
from csss.storage.files import storage
from tests.chaos.browser import Browser, new_picture
from tests.chaos.failure import Failed
from tests.disks import CannotMount, small_file_system
from tests.ears import cookie_for
from tests.factories import Clinic
from tests.postgres import POSTGRES
from tests.stack import Stack, eventually, postgres_database

HOOKS = Path(__file__).with_name("hooks")
# How long to wait at all; what takes longer than the limit of the matrix is late, what takes longer than this is lost.
PATIENCE = 120.0


class Chaos:
    """Everything a fault needs: processes to harm, people to act, pages to read, and what must have come of it all."""

    def __init__(self, stack: Stack, control: Path, database: str) -> None:
        self.stack, self.control, self.database = stack, control, database
        self.clinic = Clinic(stack.app)
        # Message-IDs that may arrive twice: the mail server had accepted them and we could not keep it.
        self.repeated: set[str] = set()
        self._people = {role: self.clinic.person(role).id for role in ("doctor", "pharmacist", "admin")}
        self._browsers: dict[str, Browser] = {}

    # People

    def user(self, role: str) -> User:
        db.session.rollback()
        return db.session.get_one(User, self._people[role])

    def browser(self, role: str) -> Browser:
        if role not in self._browsers:
            self._browsers[role] = self.new_browser(self.user(role))
        return self._browsers[role]

    def new_browser(self, user: User) -> Browser:
        return Browser(self.stack.url, cookie_for(self.stack, user))

    def new_browser_of(self, user_id: uuid.UUID) -> Browser:
        db.session.rollback()
        return self.new_browser(db.session.get_one(User, user_id))

    # What the children are told from outside

    @contextmanager
    def held(self, point: str) -> Iterator[Callable[[int], list[int]]]:
        """Whoever comes to `point` stops there; call it to wait for so many of them: their process ids."""
        file = self.control / "hold" / point
        file.touch()

        def arrived(number: int = 1) -> list[int]:
            def there() -> list[int]:
                pids = [
                    int(note.name.rpartition("-")[2]) for note in (self.control / "at").glob(f"{point}-*")
                ]
                return pids if len(pids) >= number else []

            found = eventually(there, PATIENCE, 0.02)
            assert isinstance(found, list)
            return found

        try:
            yield arrived
        finally:
            file.unlink(missing_ok=True)
            for note in (self.control / "at").glob(f"{point}-*"):
                note.unlink(missing_ok=True)

    @contextmanager
    def failing(self, point: str) -> Iterator[None]:
        file = self.control / "fail" / point
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    def set_clock(self, seconds: float) -> None:
        (self.control / "clock").write_text(str(seconds))

    # Processes

    def kill(self, name: str, *jobs: int) -> None:
        """SIGKILL to a process and to the children that do its jobs, as when the machine is gone."""
        process = self.stack.processes.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        for pid in jobs:
            kill_process(pid)
        process.wait(10)

    def workers(self, queue: Queue, number: int) -> list[str]:
        """The names of so many running workers of this queue; missing ones are started."""
        for each in range(number):
            name = f"worker-{queue}" if each == 0 else f"worker-{queue}-{each}"
            if name not in self.stack.processes:
                self.stack.start_worker(queue, each)
        names = [name for name in self.stack.processes if name.startswith(f"worker-{queue}")]
        return names[:number]

    # Work

    def scan(self, status: Status = Status.PENDING_AI, patient: User | None = None) -> uuid.UUID:
        found = self.clinic.scan(
            status,
            patient=patient,
            image=new_picture(),
            doctor=self.user("doctor"),
            pharmacist=self.user("pharmacist"),
            admin=self.user("admin"),
        )
        return found.id

    def press_analyse(self, scan_id: uuid.UUID) -> None:
        status, _ = self.browser("doctor").post(f"/doctor/scans/{scan_id}/analyze")
        if status != 303:
            raise Failed(f"the button to analyse answered {status}")

    def start_analysis(self, scan_id: uuid.UUID) -> None:
        """The same without the page, where the page is not what the fault is about."""
        with transaction():
            analysis.start(scan_id, by=self.user("doctor"))

    def upload(self, browser: Browser, picture: bytes | None, *, upload: str = "") -> tuple[int, str]:
        """The form of the patient's page, with the picture or with the upload that it has become before."""
        fields = {"kind": "chest_xray", "indication": "Cough for two weeks", "upload": upload}
        return browser.send("/patient/scans", fields, {"file": picture} if picture else {})

    def picture(self) -> bytes:
        return new_picture()

    def patient_of(self, scan_id: uuid.UUID) -> User:
        db.session.rollback()
        return db.session.get_one(Scan, scan_id).patient.user

    def scans_of(self, patient_id: uuid.UUID) -> int:
        db.session.rollback()
        mine = (
            select(Scan.id).join(Patient, Patient.id == Scan.patient_id).where(Patient.user_id == patient_id)
        )
        return len(db.session.scalars(mine).all())

    def status(self, scan_id: uuid.UUID) -> Status:
        db.session.rollback()
        return db.session.get_one(Scan, scan_id).status

    def wait(self, what: Callable[[], object], lost: str) -> float:
        """Until it is so; returns how long that took. Fails with the sentence."""
        began = time.monotonic()
        try:
            eventually(what, PATIENCE, 0.05)
        except AssertionError:
            raise Failed(lost) from None
        return time.monotonic() - began

    def analysed(self, scan_id: uuid.UUID) -> bool:
        return self.status(scan_id) is Status.AI_ANALYZED

    def report(self, scan_id: uuid.UUID) -> bool:
        db.session.rollback()
        return db.session.scalar(select(ReportVersion.id).where(ReportVersion.scan_id == scan_id)) is not None

    def open_jobs(self) -> int:
        db.session.rollback()
        return len(
            db.session.scalars(
                select(OutboxJob.id).where(OutboxJob.done_at.is_(None), OutboxJob.failed_at.is_(None))
            ).all()
        )

    def says(self, role: str, path: str, sentence: str) -> None:
        """The page tells what is going on."""
        text = self.browser(role).page(path)
        if sentence not in text:
            raise Failed(f"{path} does not say: {sentence}")

    def readiness(self) -> dict[str, str]:
        """What /readyz tells of each part."""
        _, text = self.browser("doctor").get("/readyz")
        found: dict[str, str] = json.loads(text)["checks"]
        return found

    def children_of(self, name: str) -> list[int]:
        pid = self.stack.processes[name].pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def put_right(self) -> None:
        """Whatever a fault has left: everybody runs again, nothing is held."""
        for folder in ("hold", "fail", "at"):
            for file in (self.control / folder).iterdir():
                file.unlink(missing_ok=True)
        self.set_clock(0)
        self.stack.mailbox.mood = "ok"
        if "redis" not in self.stack.processes:
            self.stack.start_redis()
        if "web" not in self.stack.processes:
            self.stack.start_web()
        for queue in Queue:
            self.workers(queue, 1)

    # What must have come of it

    def check(self) -> None:
        """Everything that was owed is done, each thing once, and every file is there as the database says."""
        self.wait(lambda: self.open_jobs() == 0, "jobs are still open")
        self.wait(self.stack.ready, "the system does not become ready again")
        problems = [*self._scans(), *self._mails()]
        if problems:
            raise Failed("; ".join(problems[:3]))

    def _scans(self) -> Iterator[str]:
        db.session.rollback()
        kept = storage()
        for scan in db.session.scalars(select(Scan)):
            content = kept.read(scan.file_key)
            if hashlib.sha256(content).hexdigest() != scan.sha256:
                yield f"the picture of scan {scan.id} is not the one that was stored"
            predictions = db.session.scalars(select(Prediction).where(Prediction.scan_id == scan.id)).all()
            if len(predictions) != (0 if scan.status is Status.PENDING_AI else 1):
                yield f"scan {scan.id} is {scan.status} and has {len(predictions)} predictions"
            for each in predictions:
                if each.heatmap_key:
                    kept.read(each.heatmap_key)
            versions = db.session.scalars(select(ReportVersion).where(ReportVersion.scan_id == scan.id)).all()
            if len(versions) != (1 if scan.status is Status.REPORT_READY else 0):
                yield f"scan {scan.id} is {scan.status} and has {len(versions)} reports"
            for version in versions:
                if hashlib.sha256(kept.read(version.file_key)).hexdigest() != version.sha256:
                    yield f"the report of scan {scan.id} is not the one that was stored"

    def _mails(self) -> Iterator[str]:
        db.session.rollback()
        copies = self.stack.mailbox.copies()
        for message in db.session.scalars(select(MailMessage)):
            arrived = copies.pop(message.message_id, [])
            if message.state is not MailState.SENT:
                yield f"a message is {message.state}: {message.last_error}"
            elif not arrived:
                yield "a message counts as sent and has never arrived"
            unmarked = [mail for mail in arrived if mail["X-CSSS-Repeated"] is None]
            if len(unmarked) > 1:
                yield "a message has arrived twice and is not marked"
            if len(arrived) > 1 and message.message_id not in self.repeated:
                yield f"a message has arrived {len(arrived)} times"
        if copies:
            yield "a message has arrived that nobody owes"


def parent_of(pid: int) -> int:
    """The process that started this one. Raises FileNotFoundError when it is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])


def kill_process(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def chaos(folder: Path, database: str) -> Iterator[Chaos]:
    """The system on a database of its own, with the harness's hooks in its processes."""
    control, model, kept = folder / "control", folder / "model", folder / "storage"
    for each in (control / "hold", control / "at", control / "fail", kept):
        each.mkdir(parents=True)
    _copy(default_folder(), model)
    with ExitStack() as cleanup:
        url = cleanup.enter_context(postgres_database(POSTGRES)) if database == "postgresql" else ""
        try:
            cleanup.enter_context(small_file_system(kept, "2g"))
        except CannotMount:
            kept = folder / "no-small-disk"
            kept.mkdir()
        stack = Stack(
            folder,
            database_url=url,
            variables={"PYTHONPATH": os.pathsep.join([str(HOOKS), str(Path.cwd())]), "CHAOS": str(control)},
            model=str(model),
            storage_url=f"file://{kept}",
            web_threads=8,
        )
        cleanup.callback(stack.stop)
        stack.start()
        cleanup.enter_context(stack.app.app_context())
        found = Chaos(stack, control, database)
        found.check()
        yield found


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for file in source.iterdir():
        if file.suffix in {".tflite", ".npz", ".json"}:
            (target / file.name).write_bytes(file.read_bytes())
