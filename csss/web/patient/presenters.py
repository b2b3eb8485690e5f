"""A scan in a patient's words. It shows nothing from the classifier or the doctor before the report is released."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from flask_babel.speaklater import LazyString

from csss import report_fonts
from csss.auth import passphrases
from csss.hospital.current import hospital
from csss.i18n import _, _l, _n
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.prescriptions import stated_facts
from csss.prescriptions.presenters import PrescriptionView, prescription_view
from csss.reports import queries as reports
from csss.reports.models import ReportVersion
from csss.scans import policies, withdrawing
from csss.scans.durations import usual_waits
from csss.scans.models import Addendum, Review, Scan
from csss.scans.presenters import KIND_NAMES, Tag, kind_and_sent, status_for_patient
from csss.scans.states import Status
from csss.web.filters import day, when
from csss.web.scan_view import ClassifierView, VersionView, classifier_view, version_view


@dataclass(frozen=True)
class ScanRow:
    """One scan in the list."""

    url: str
    kind: str
    uploaded: str
    indication: str
    tag: Tag
    report_url: str | None


@dataclass(frozen=True)
class Station:
    """One step in the progress of a scan. `state`: done, now, todo or stopped; `usual`: how long it takes, if known."""

    title: str
    state: str
    text: str = ""
    when: str = ""
    iso: str = ""
    usual: str = ""


@dataclass(frozen=True)
class Hint:
    """Something to do in the account before a report can be mailed."""

    title: str
    text: str
    words: str


@dataclass(frozen=True)
class Closed:
    """A scan in whose place another picture is sent."""

    uploaded: str
    reason: str


@dataclass(frozen=True)
class Released:
    """What a patient sees once the report is released: the doctor's words first, the classifier's last."""

    newest: VersionView
    older: tuple[VersionView, ...]
    review: Review | None
    addenda: tuple[Addendum, ...]
    prescription: PrescriptionView | None
    classifier: ClassifierView | None


@dataclass(frozen=True)
class ScanPage:
    """Everything on the page of one scan."""

    id: uuid.UUID
    url: str
    image_url: str
    title: str
    tag: Tag
    indication: str
    mrn: str
    telephone: str  # of the hospital; empty: not set
    tel: str  # the same for a link
    sentence: str
    way: tuple[Station, ...]
    facts: tuple[tuple[str, str], ...]
    width: int
    height: int
    closed_reason: str | None  # None also for a scan that the patient has withdrawn
    withdraw_url: str | None  # while no doctor has opened it
    again_url: str | None  # for a closed scan: the form, filled in with the text of the last time
    released: Released | None
    about_url: str | None  # the questions for the pharmacist, while they may be answered
    about_asked: bool  # whether somebody has answered them


_SENTENCES: dict[Status, LazyString] = {
    Status.PENDING_AI: _l("We have your scan. A doctor will look at it; you need not do anything."),
    Status.AI_ANALYZED: _l("A doctor is going to read your scan. You need not do anything."),
    Status.DOCTOR_VERIFIED: _l("A doctor has read your scan. A pharmacist looks at it next."),
    Status.PHARMACIST_COMPLETED: _l(
        "The doctor and the pharmacist are done. The hospital checks the report last."
    ),
    Status.REPORT_READY: _l("Your report has been approved and is being made. This takes a minute."),
}
_READY = _l("Your report is ready. Please talk about it with your doctor.")
_CLOSED = _l("This scan will not be read. Please upload a new picture.")
_WITHDRAWN = _l("You have withdrawn this scan: nobody reads it.")


@dataclass(frozen=True)
class _Step:
    """A station before translation: its name before and after, and what happens in it."""

    status: Status
    ahead: LazyString
    done: LazyString
    text: LazyString


_STEPS = (
    _Step(
        Status.DOCTOR_VERIFIED,
        _l("A doctor reads it"),
        _l("A doctor read the scan"),
        _l("The doctor looks at your picture and writes down what it shows."),
    ),
    _Step(
        Status.PHARMACIST_COMPLETED,
        _l("A pharmacist looks at it"),
        _l("A pharmacist looked at it"),
        _l("The pharmacist adds medicines, if the doctor wants any."),
    ),
    _Step(
        Status.REPORT_READY,
        _l("The hospital approves the report"),
        _l("The hospital approved the report"),
        _l("An administrator checks everything one last time."),
    ),
)


def rows(scans: Sequence[Scan]) -> list[ScanRow]:
    """The list, with one query for all reports."""
    newest = reports.newest_versions([scan.id for scan in scans])
    return [_row(scan, newest.get(scan.id)) for scan in scans]


def _row(scan: Scan, version: ReportVersion | None) -> ScanRow:
    released = scan.status is Status.REPORT_READY and version is not None
    return ScanRow(
        url=url_for("patient.scan", scan_id=scan.id),
        kind=KIND_NAMES[scan.kind],
        uploaded=day(scan.uploaded_at),
        indication=scan.indication,
        tag=status_for_patient(scan, released=released),
        report_url=url_for("files.report", report_id=version.id) if version and released else None,
    )


def hints(user: User) -> list[Hint]:
    """Things that are missing before a report can be made and mailed."""
    found = []
    for text in (user.name, user.patient.address if user.patient else ""):
        if sentence := report_fonts.problem(text):
            advice = _("Write it in these letters. Until then no report can be released.")
            found.append(
                Hint(_("Your reports cannot be printed yet"), f"{sentence} {advice}", _("Change my details"))
            )
    if user.email_confirmed_at is None:
        found.append(
            Hint(
                _("Confirm your e-mail address"),
                _(
                    "Until you open the link in our mail to %(address)s, no report is mailed to you.",
                    address=user.email,
                ),
                _("Open my account"),
            )
        )
    if user.patient is not None and user.patient.report_passphrase is None:
        found.append(
            Hint(
                _("Set a report pass phrase"),
                _(
                    "With it your report can come as a protected attachment. Without it, the mail only tells you "
                    "to sign in here."
                ),
                _("Set a pass phrase"),
            )
        )
    if user.patient is not None and passphrases.passphrase_is_lost(user.patient):
        found.append(
            Hint(
                _("Set the report pass phrase again"),
                _(
                    "It cannot be read any more. Until you set it again, the mail only tells you to sign in "
                    "here."
                ),
                _("Set a pass phrase"),
            )
        )
    return found


def closed(scan: Scan) -> Closed:
    """Why the patient has to send another picture."""
    return Closed(day(scan.uploaded_at), scan.closure.reason if scan.closure else "")


def scan_page(scan: Scan) -> ScanPage:
    versions = reports.versions(scan) if scan.status is Status.REPORT_READY else []
    released = _released(scan, versions) if versions else None
    closure, telephone = scan.closure, hospital().telephone
    withdrawn = closure is not None and closure.withdrawn
    return ScanPage(
        id=scan.id,
        url=url_for("patient.scan", scan_id=scan.id),
        image_url=url_for("files.image", scan_id=scan.id),
        title=_("%(kind)s of %(day)s", kind=KIND_NAMES[scan.kind], day=day(scan.uploaded_at)),
        indication=scan.indication,
        mrn=scan.patient.mrn,
        telephone=telephone,
        tel="".join(each for each in telephone if each.isdigit() or each == "+"),
        tag=status_for_patient(scan, released=released is not None),
        sentence=str(
            _WITHDRAWN
            if withdrawn
            else _CLOSED
            if closure
            else _READY
            if released
            else _SENTENCES[scan.status]
        ),
        way=_way(scan, versions),
        facts=(
            (_("Kind"), kind_and_sent(scan)),
            (_("Uploaded"), when(scan.uploaded_at)),
            (_("Reason you gave"), scan.indication),
            (_("Picture"), _("%(width)s × %(height)s pixels", width=scan.width, height=scan.height)),
        ),
        width=scan.width,
        height=scan.height,
        closed_reason=closure.reason if closure and not withdrawn else None,
        withdraw_url=url_for("patient.withdraw", scan_id=scan.id)
        if policies.may(withdrawing.check_can_withdraw, scan)
        else None,
        again_url=url_for("patient.home", again=scan.id, _anchor="new-scan") if closure else None,
        released=released,
        about_url=url_for("patient.about", scan_id=scan.id)
        if scan.patient.user is not None and stated_facts.may_state(scan, scan.patient.user)
        else None,
        about_asked=stated_facts.newest(scan.id) is not None,
    )


def _released(scan: Scan, versions: Sequence[ReportVersion]) -> Released:
    views = [version_view(version) for version in versions]
    prescribed = prescriptions.versions(scan)
    return Released(
        views[-1],
        tuple(views[-2::-1]),
        scan.review,
        tuple(scan.addenda),
        prescription_view(prescribed[-1]) if prescribed else None,
        classifier_view(scan),
    )


def _way(scan: Scan, versions: Sequence[ReportVersion]) -> tuple[Station, ...]:
    """The steps that are done, the present one, and the next ones with how long they usually take."""
    at = {event.became: event.at for event in scan.events}
    usual = usual_waits()
    way = [_done(_("You uploaded the scan"), scan.uploaded_at)]
    closure = scan.closure
    for step in _STEPS:
        if step.status in at:
            way.append(_done(str(step.done), at[step.status]))
        elif closure is not None:
            words = _("You withdrew the scan") if closure.withdrawn else _("A doctor closed the scan")
            way.append(_done(words, closure.closed_at, "stopped"))
            return tuple(way)
        else:
            waiting = way[-1].state == "done"
            wait = usual.get(step.status)
            way.append(
                Station(
                    str(step.ahead),
                    "now" if waiting else "todo",
                    str(step.text),
                    usual=_within(wait) if wait is not None else "",
                )
            )
    for version in versions:
        words = (
            _("Your report was released")
            if version.version == 1
            else _("A new version of the report was made")
        )
        way.append(_done(words, version.created_at))
    if not versions:
        waiting = way[-1].state == "done"
        text = _("You get an e-mail, and can download it here.")
        way.append(Station(_("Your report is available"), "now" if waiting else "todo", text))
    return tuple(way)


def _done(title: str, at: datetime, state: str = "done") -> Station:
    return Station(title, state, when=when(at), iso=at.isoformat())


def _within(wait: timedelta) -> str:
    """The time within which three of four scans take a step, in words; always rounded up."""
    hours = math.ceil(wait / timedelta(hours=1))
    if hours <= 36:
        return _n("Usually within an hour", "Usually within %(num)s hours", max(1, hours))
    return _n("Usually within a day", "Usually within %(num)s days", math.ceil(wait / timedelta(days=1)))
