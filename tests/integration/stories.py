"""People trying things with scans, and a test's own idea of what has to be refused."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.database import db, transaction
from csss.errors import Invalid, NotFound, StateConflict
from csss.jobs import runner
from csss.people.models import User
from csss.people.roles import Role
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import services as reports
from csss.scans import analysis, services
from csss.scans.intake import take_in
from csss.scans.models import Scan
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, HoldFor, Priority, ScanKind, Status
from tests.factories import picture, reading
from tests.integration.world import Snapshot, World, snapshot


@dataclass(frozen=True)
class Attempt:
    """`who` tries `what` with one of the scans; `variant` chooses among ways of doing it, some of them wrong."""

    what: str
    who: int
    scan: int
    variant: int


@dataclass
class Known:
    """What the test itself knows of a scan: enough to say what has to be refused."""

    id: uuid.UUID
    status: Status = Status.PENDING_AI
    closed: bool = False
    hold: HoldFor | None = None
    recalled: bool = False  # a pharmacist has placed the hold, and nobody has answered it
    running: bool = False
    failures: int = 0
    uncertain: bool = False
    available: bool = True
    steps: list[uuid.UUID] = field(default_factory=list)  # who took each
    asked_by: uuid.UUID | None = None  # whom the machine works for
    addenda: int = 0
    kind: ScanKind = ScanKind.CHEST_XRAY
    kinds: int = 0  # how often it was corrected
    signed_at_kind: int = 0  # of these, how many before the newest reading
    answer: str = ""  # the class that the classifier came closest to


# The usual way on from each status, so that stories get somewhere; chosen by the variant.
FORWARD = {
    Status.PENDING_AI: ("start", "finish", "read_without", "fail"),
    Status.AI_ANALYZED: ("verify",),
    Status.DOCTOR_VERIFIED: ("complete",),
    Status.PHARMACIST_COMPLETED: ("approve", "hold", "hold", "approve"),
    Status.REPORT_READY: ("render", "addendum"),
}
ON_HOLD = {
    HoldFor.DOCTOR: ("correct_review", "lift", "correct_kind", "close"),
    HoldFor.PHARMACIST: ("correct_prescription", "lift", "lift", "approve"),
}
INTAKE = take_in(picture(80, 80), limit=10_000_000)


class Story:
    """One random story: tries attempts, and after each compares the whole database with what had to happen."""

    def __init__(self, world: World, check: Callable[[list[Known], Snapshot, Snapshot, bool], None]) -> None:
        self.world = world
        self.check = check
        self.tried: Counter[tuple[str, bool]] = Counter()
        self.scans: list[Known] = []
        self.before = snapshot()

    def tell(self, attempt: Attempt) -> None:
        who = db.session.get_one(User, self.world.people[attempt.who])
        if not self.scans or attempt.what == "upload":
            self._upload(who)
            return
        known = self.scans[attempt.scan % len(self.scans)]
        what, variant = attempt.what, attempt.variant
        if what == "forward":
            ways = ON_HOLD[known.hold] if known.hold else FORWARD[known.status]
            what, variant = ways[variant % len(ways)], 0
            what = "finish" if what == "start" and known.running else what
        allowed = getattr(self, f"_{what}")(known, who, variant)
        self._look(what, allowed)

    def _look(self, what: str, allowed: bool) -> None:
        self.tried[what, allowed] += 1
        db.session.commit()
        before, self.before = self.before, snapshot()
        self.check(self.scans, before, self.before, allowed)

    def _try(self, allowed: bool, action: Callable[[], object]) -> bool:
        try:
            with transaction():
                action()
        except (StateConflict, Invalid, NotFound) as refusal:
            assert not allowed, f"refused without reason: {refusal}"
            assert str(refusal).endswith(".")  # a sentence
            return False
        assert allowed, "this had to be refused"
        return True

    def _upload(self, who: User) -> None:
        scan_id: list[uuid.UUID] = []

        def upload() -> None:
            scan_id.append(
                services.submit_scan(
                    INTAKE, self.world.file_key, kind=ScanKind.CHEST_XRAY, indication="Cough", by=who
                ).id
            )

        by = who.id
        allowed = self._try(who.patient is not None, upload)
        if allowed:
            self.scans.append(Known(scan_id[0], steps=[by]))
        self._look("upload", allowed)

    def _start(self, known: Known, who: User, _: int) -> bool:
        by = who.id
        allowed = known.status is Status.PENDING_AI and not known.closed and not known.running
        if self._try(allowed, lambda: analysis.start(known.id, by=who)):
            known.running, known.asked_by = True, by
        return allowed

    def _finish(self, known: Known, who: User, variant: int) -> bool:
        run_id = latest_run(known.id)
        if run_id is None:
            return False
        answer = ("Normal", "Normal", "COVID", "NIH_MERGED")[variant]
        result = reading(answer, 0.55 if variant == 1 else 0.91, heatmap=None)
        moves = known.running and not known.closed and known.status is Status.PENDING_AI
        with transaction():
            assert analysis.keep_result(run_id, result, None) is moves
        if moves:
            assert known.asked_by is not None
            known.status, known.answer = Status.AI_ANALYZED, answer
            known.uncertain = variant == 1 or (variant > 1 and known.kind is ScanKind.CARDIAC_MRI)
            known.steps.append(known.asked_by)
        elif known.running:
            known.failures += 1  # the scan was closed meanwhile
        changed, known.running = known.running, False
        return changed

    def _fail(self, known: Known, who: User, _: int) -> bool:
        run_id = latest_run(known.id)
        if run_id is None:
            return False
        with transaction():
            analysis.keep_failure(run_id, "The analysis could not be done.")
        changed, known.running = known.running, False
        known.failures += changed
        return changed

    def _read_without(self, known: Known, who: User, variant: int) -> bool:
        by, reason = who.id, ("Photographed film", "", "   ", "x" * 2001)[variant]
        open_ = known.status is Status.PENDING_AI and not known.closed
        allowed = open_ and (variant == 0 or (variant != 3 and known.failures >= 2))
        if self._try(allowed, lambda: analysis.read_without_classifier(known.id, reason=reason, by=who)):
            known.failures += known.running
            known.status, known.uncertain, known.available, known.running = (
                Status.AI_ANALYZED,
                True,
                False,
                False,
            )
            known.steps.append(by)
        return allowed

    def _verify(self, known: Known, who: User, variant: int) -> bool:
        by = who.id
        allowed = known.status is Status.AI_ANALYZED and not known.closed and self._sufficient(known, variant)
        if self._try(allowed, lambda: services.verify(known.id, READINGS[variant], by=who)):
            known.status, known.signed_at_kind = Status.DOCTOR_VERIFIED, known.kinds
            known.steps.append(by)
        return allowed

    def _correct_kind(self, known: Known, who: User, variant: int) -> bool:
        """Variant 1 has seen the other kind, variant 2 chooses the one that it is, variant 3 writes too much."""
        other = next(each for each in ScanKind if each is not known.kind)
        can_act = known.status in {Status.PENDING_AI, Status.AI_ANALYZED} or known.hold is HoldFor.DOCTOR
        allowed = variant == 0 and can_act and not known.closed
        was, became = (other, known.kind) if variant == 1 else (known.kind, other)
        became = known.kind if variant == 2 else became
        reason = "x" * 2001 if variant == 3 else ""

        def correct() -> object:
            return services.correct_kind(known.id, was=was, became=became, reason=reason, by=who)

        if self._try(allowed, correct):
            known.kind, known.kinds = other, known.kinds + 1
        return allowed

    def _correct_review(self, known: Known, who: User, variant: int) -> bool:
        allowed = known.hold is HoldFor.DOCTOR and not known.closed and self._sufficient(known, variant)
        if self._try(allowed, lambda: services.correct_review(known.id, READINGS[variant], by=who)):
            known.signed_at_kind, known.recalled = known.kinds, False
        return allowed

    @staticmethod
    def _sufficient(known: Known, variant: int) -> bool:
        complete, no_findings, no_statement, no_agreement = range(4)
        fits_not = known.answer in {"COVID", "NIH_MERGED"} and known.kind is ScanKind.CARDIAC_MRI
        return {
            complete: True,
            no_findings: False,
            no_statement: not (known.uncertain or fits_not),
            no_agreement: known.uncertain or fits_not,
        }[variant]

    def _complete(self, known: Known, who: User, variant: int) -> bool:
        by = who.id
        allowed = (
            known.status is Status.DOCTOR_VERIFIED
            and not known.closed
            and known.hold is None
            and variant in (0, 1)
        )
        if self._try(allowed, lambda: prescriptions.complete(known.id, by=who, **PRESCRIPTIONS[variant])):
            known.status = Status.PHARMACIST_COMPLETED
            known.steps.append(by)
        return allowed

    def _correct_prescription(self, known: Known, who: User, variant: int) -> bool:
        allowed = known.hold is HoldFor.PHARMACIST and not known.closed and variant in (0, 1)
        if self._try(allowed, lambda: prescriptions.correct(known.id, by=who, **PRESCRIPTIONS[variant])):
            known.hold, known.recalled = None if known.recalled else known.hold, False  # it ends a recall
        return allowed

    def _close(self, known: Known, who: User, variant: int) -> bool:
        allowed = known.status is not Status.REPORT_READY and not known.closed and variant == 0
        if self._try(allowed, lambda: services.close(known.id, reason="" if variant else "Blurred", by=who)):
            known.closed = True
        return allowed

    def _hold(self, known: Known, who: User, variant: int) -> bool:
        to = HoldFor.DOCTOR if variant % 2 else HoldFor.PHARMACIST
        right = known.status is Status.PHARMACIST_COMPLETED or (
            known.status is Status.DOCTOR_VERIFIED and to is HoldFor.DOCTOR
        )
        allowed = right and not known.closed and known.hold is None and variant < 2
        note = "Which side?" if variant < 2 else " "
        if self._try(allowed, lambda: reports.hold(known.id, to=to, note=note, by=who)):
            known.hold, known.recalled = to, who.role is Role.PHARMACIST
        return allowed

    def _lift(self, known: Known, who: User, _: int) -> bool:
        allowed = (
            known.hold is not None
            and not known.recalled
            and not known.closed
            and known.signed_at_kind == known.kinds
        )
        if self._try(allowed, lambda: reports.lift(known.id, by=who)):
            known.hold = None
        return allowed

    def _approve(self, known: Known, who: User, variant: int) -> bool:
        by = who.id
        proof = Proof(by, CodePurpose.APPROVAL, known.id, "email_code")
        if variant == 3:  # shown for another scan: no state of this one makes it good
            wrong = Proof(by, CodePurpose.APPROVAL, uuid.uuid4(), "email_code")
            with pytest.raises(PermissionError), transaction():
                reports.approve(known.id, proof=wrong, by=who)
            return False
        allowed = known.status is Status.PHARMACIST_COMPLETED and not known.closed and known.hold is None
        if self._try(allowed, lambda: reports.approve(known.id, proof=proof, by=who)):
            known.status = Status.REPORT_READY
            known.steps.append(by)
        return allowed

    def _addendum(self, known: Known, who: User, variant: int) -> bool:
        allowed = known.status is Status.REPORT_READY and variant != 3
        note = " " if variant == 3 else "The date was wrong."
        if self._try(allowed, lambda: reports.add_addendum(known.id, note=note, by=who)):
            known.addenda += 1
        return allowed

    def _render(self, known: Known, who: User, _: int) -> bool:
        """The reports worker does what is owed, in any order and again and again."""
        owed = [row["id"] for row in self.before["outbox"].values() if row["job"] == "render_report"]
        for row_id in owed:
            runner.perform(uuid.UUID(row_id))
        return bool(owed)

    def _priority(self, known: Known, who: User, variant: int) -> bool:
        allowed = known.status is not Status.REPORT_READY and not known.closed
        priority = list(Priority)[variant % 2]
        self._try(allowed, lambda: services.set_priority(known.id, priority, by=who))
        return allowed


READINGS = [
    ReviewText("Clear lungs.", "None", "Normal chest", Agreement.AGREE, read_myself=True),
    ReviewText(" ", "None", "Normal chest", Agreement.AGREE, read_myself=True),
    ReviewText("Clear lungs.", "", "Normal chest", Agreement.PARTLY, read_myself=False),
    ReviewText("Clear lungs.", "", "Normal chest", None, read_myself=True),
]
LINE = Line("Amoxicillin", "500 mg", "oral", "daily", "5 days")
PRESCRIPTIONS: list[dict[str, Any]] = [
    {"lines": [LINE], "none_needed": False, "notes": ""},
    {"lines": [Line(route="oral")], "none_needed": True, "notes": "Rest"},
    {"lines": [], "none_needed": False, "notes": "Rest"},
    {"lines": [Line("Amoxicillin", "", "oral", "daily")], "none_needed": False, "notes": ""},
]


def latest_run(scan_id: uuid.UUID) -> uuid.UUID | None:
    run = db.session.get_one(Scan, scan_id).latest_run
    return run.id if run else None
