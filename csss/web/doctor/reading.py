"""The reading page in words: what is known about the scan, what has happened, and which forms may be sent now."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from flask import url_for
from flask_babel.speaklater import LazyString

from csss import clock
from csss.errors import NotFound
from csss.i18n import _, _l
from csss.people.models import User
from csss.reports import queries as reports
from csss.scans import (
    assignments,
    disclosure,
    own_reading,
    policies,
    queries,
    second_readings,
    taking_back,
)
from csss.scans.draft_models import ReviewDraft
from csss.scans.list_rows import ListedScan
from csss.scans.models import AnalysisRun, FirstImpression, Scan, ScanHold
from csss.scans.own_reading import Why
from csss.scans.presenters import (
    KIND_NAMES,
    PRIORITY_NAMES,
    Tag,
    human_name,
    kind_and_sent,
    status_for_staff,
)
from csss.scans.states import HoldFor, RunState, ScanKind, Status
from csss.scans.stored_sentences import in_words
from csss.web import doubt_words
from csss.web.critical import CriticalView, critical_of
from csss.web.doctor.forms import SURENESS_WORDS
from csss.web.doctor.together import TogetherView, together_view
from csss.web.filters import ago, day, when
from csss.web.findings_view import FindingRow, findings_view
from csss.web.scan_view import VersionView, age_and_sex, version_view
from csss.web.staff_view import STEPS, Event, ScanView, history, merged_facts, scan_view

OTHER_SCANS = 8


@dataclass(frozen=True)
class Analysis:
    """The progress of the analysis of a scan that waits for it."""

    scan_id: uuid.UUID
    url: str
    page_url: str
    running: bool
    since: str | None
    poll: str  # the seconds until the page asks again: the longer the analysis takes, the longer this is
    failures: tuple[tuple[str, str], ...]  # (when, why), the newest last
    done: bool


@dataclass(frozen=True)
class Other:
    """Another scan of the same patient."""

    url: str
    words: str
    diagnosis: str
    tag: Tag
    thumbnail_url: str
    compare_url: str
    compared: bool  # is shown beside the scan now


@dataclass(frozen=True)
class Picture:
    """The values that templates/scans/viewer.html shows."""

    id: str
    url: str
    preview_url: str
    alt: str
    kind: str
    uploaded: str
    caption: str
    width: int
    height: int
    heatmap_url: str | None
    heat_of: FindingRow | None  # the finding whose heat map is shown at once, instead of the whole answer's


@dataclass(frozen=True)
class Unsigned:
    """The doctor's own draft. `saved` says when it was saved; `beside`: it is shown as text, not in the form."""

    saved: str
    texts: tuple[tuple[str, str], ...]
    beside: bool


@dataclass(frozen=True)
class First:
    """The doctor's own first impression."""

    when: str
    sureness: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class May:
    """Which forms are shown: only those that can be sent now."""

    analyse: bool
    read_without: bool
    reveal: bool  # a first impression is asked for; until it is kept, nothing can be signed
    verify: bool
    assign: bool
    ask_second: bool
    write_second: bool  # another doctor has asked for it
    correct: bool
    take_back: bool
    correct_kind: bool
    close: bool
    add_addendum: bool


@dataclass(frozen=True)
class ReadingPage(ScanView):
    """The values of a scan's page that only a doctor sees."""

    person: str  # age at the scan, sex, date of birth
    url: str
    indication: str
    kind: str
    kind_value: str
    other_kind: tuple[str, str]  # the kind that a correction would give: value, label
    uploaded: str
    tag: Tag
    priority: str
    picture: Picture
    heat_urls: dict[
        str, str
    ]  # where this page shows the heat map of a finding at once, by the finding's name
    beside: Picture | None  # another scan to compare with
    analysis: Analysis | None
    diagnosis_hint: str | None  # why the doctor has to write a diagnosis; None where an impression is enough
    diagnosis_offer: str  # the diagnosis that a doctor who agrees may use; empty where the answer names none
    needs_reason: bool
    may: May
    hold: ScanHold | None
    hold_title: str
    draft: Unsigned | None
    closed: tuple[str, str, str] | None  # reason, who, when
    withdrawn: bool  # the patient has closed it
    doubts: str | None  # what the patient was asked about the picture
    addenda: tuple[tuple[str, str, str], ...]  # title, note, anchor
    versions: tuple[VersionView, ...]
    awaits_report: bool
    events: tuple[Event, ...]
    others: tuple[Other, ...]
    together: TogetherView  # to whom it is assigned, and the second reading
    critical: CriticalView | None  # the critical result, and who has taken note of it
    first: First | None  # what this doctor thought before the classifier's answer was revealed


def reading_page(
    scan: Scan,
    draft: ReviewDraft | None = None,
    *,
    reader: User,
    compare: uuid.UUID | None = None,
    heat: str | None = None,
) -> ReadingPage:
    """The values of the reading page, as `reader` may know the scan (`queries.scan_visible_to`). `compare` is another
    scan of the same patient, shown beside this one; `heat` is the finding whose heat map is shown at once. Raises NotFound
    for any other scan or finding.
    """
    versions = reports.versions(scan) if scan.status is Status.REPORT_READY else []
    closure, may = scan.closure, _may(scan, reader)
    first = disclosure.first_impression(scan, reader)
    mapped = _mapped(scan)
    if heat and heat not in mapped:
        raise NotFound(_("There is no such heat map."))
    facts = (
        (_("Kind"), kind_and_sent(scan)),
        (_("MRN"), scan.patient.mrn),
        *merged_facts(scan),
    )
    return ReadingPage(
        **vars(scan_view(scan, facts)),
        person=_(
            "%(age_and_sex)s, born %(born)s",
            age_and_sex=age_and_sex(scan),
            born=day(scan.patient.date_of_birth),
        ),
        url=url_for("doctor.scan", scan_id=scan.id),
        indication=scan.indication,
        kind=KIND_NAMES[scan.kind],
        kind_value=scan.kind.value,
        other_kind=next((each.value, KIND_NAMES[each]) for each in ScanKind if each is not scan.kind),
        uploaded=when(scan.uploaded_at),
        tag=status_for_staff(scan),
        priority=PRIORITY_NAMES[scan.priority],
        picture=picture(scan, mapped[heat] if heat else None),
        heat_urls={
            name: url_for(
                "doctor.scan", scan_id=scan.id, compare=compare, heat=None if name == heat else name
            )
            for name in mapped
        },
        beside=picture(queries.other_of_patient(scan, compare, reader)) if compare is not None else None,
        analysis=analysis(scan) if scan.status is Status.PENDING_AI and closure is None else None,
        diagnosis_hint=_diagnosis_hint(scan),
        diagnosis_offer=human_name(scan.prediction.label)
        if scan.prediction is not None and own_reading.why(scan) is None
        else "",
        needs_reason=policies.needs_reason_to_read_without(scan),
        may=may,
        hold=scan.open_hold,
        hold_title=_hold_title(scan.open_hold) if scan.open_hold else "",
        closed=(closure.reason, closure.doctor.name, when(closure.closed_at)) if closure else None,
        withdrawn=closure is not None and closure.withdrawn,
        doubts=doubt_words.for_staff(scan, answer_is_hidden=may.reveal),
        addenda=tuple(
            (
                _("Addendum %(number)s", number=each.number),
                each.note,
                f"{each.author.name}, {when(each.created_at)}",
            )
            for each in scan.addenda
        ),
        versions=tuple(version_view(version) for version in reversed(versions)),
        awaits_report=scan.status is Status.REPORT_READY and len(versions) <= len(scan.addenda),
        events=tuple(history(scan, versions=versions, failures=True, steps=_STEPS)),
        draft=_unsigned(draft, scan, may) if draft is not None else None,
        others=_others(scan, compare),
        together=together_view(scan, reader),
        critical=critical_of(scan.id) if scan.reviews else None,
        first=_first(first) if first is not None else None,
    )


def _first(kept: FirstImpression) -> First:
    texts = (
        (_("Diagnosis"), kept.diagnosis),
        (_("Impression"), kept.impression),
        (_("Findings"), kept.findings),
    )
    return First(when(kept.written_at), str(SURENESS_WORDS[kept.sureness]), texts)


def _diagnosis_hint(scan: Scan) -> str | None:
    why = own_reading.why(scan)
    if why is None:
        return None
    if why is Why.WITHOUT_FINDING:
        return _("Your own, because the classifier’s answer says neither ill nor healthy.")
    return _("Your own, because the classifier gives none that counts.")


def _may(scan: Scan, reader: User) -> May:
    verify = policies.may(policies.check_can_verify, scan) and policies.may(
        second_readings.check_may_sign, scan, reader
    )
    return May(
        analyse=policies.may(policies.check_can_analyse, scan),
        read_without=policies.may(policies.check_can_read_without_classifier, scan),
        reveal=verify and disclosure.must_reveal(scan, reader),
        verify=verify,
        assign=policies.may(assignments.check_can_assign, scan, reader),
        ask_second=policies.may(second_readings.check_can_ask, scan, reader),
        write_second=policies.may(second_readings.check_can_write, scan, reader),
        correct=policies.may(policies.check_can_correct, scan, HoldFor.DOCTOR)
        and policies.may(taking_back.check_may_sign_again, scan, reader),
        take_back=policies.may(taking_back.check_can_take_back, scan, reader),
        correct_kind=policies.may(policies.check_can_correct_kind, scan),
        close=policies.may(policies.check_can_close, scan),
        add_addendum=policies.may(policies.check_can_add_addendum, scan),
    )


def analysis(scan: Scan) -> Analysis:
    run = scan.latest_run
    running = run is not None and run.state in {RunState.QUEUED, RunState.RUNNING}
    return Analysis(
        scan_id=scan.id,
        url=url_for("doctor.analysis_state", scan_id=scan.id),
        page_url=url_for("doctor.scan", scan_id=scan.id),
        running=running,
        since=ago(run.requested_at) if run is not None and running else None,
        poll=_poll(run) if run is not None else "",
        failures=tuple(
            (when(each.finished_at or each.requested_at), in_words(each.failure))
            for each in scan.runs
            if each.state is RunState.FAILED
        ),
        done=scan.status is not Status.PENDING_AI or scan.closure is not None,
    )


def _poll(run: AnalysisRun) -> str:
    """Seconds until the page asks again: an analysis takes a second, or waits for minutes."""
    waited = clock.now() - run.requested_at
    if waited < timedelta(seconds=30):
        return "3s"
    return "15s" if waited < timedelta(minutes=5) else "60s"


def _mapped(scan: Scan) -> dict[str, FindingRow]:
    """The findings that have a heat map."""
    shown = findings_view(scan)
    return {row.name: row for row in shown.likely if row.map_url} if shown else {}


def picture(scan: Scan, heat_of: FindingRow | None = None) -> Picture:
    kind, found = KIND_NAMES[scan.kind], scan.prediction
    url = url_for("files.image", scan_id=scan.id)
    return Picture(
        id=str(scan.id),
        url=url,
        preview_url=f"{url}?size=preview",
        alt=_("%(kind)s of %(patient)s", kind=kind, patient=scan.patient.name),
        kind=kind,
        uploaded=when(scan.uploaded_at),
        caption=_(
            "%(kind)s, uploaded %(when)s, %(width)s × %(height)s pixels",
            kind=kind,
            when=when(scan.uploaded_at),
            width=scan.width,
            height=scan.height,
        ),
        width=scan.width,
        height=scan.height,
        heatmap_url=url_for("files.heatmap", scan_id=scan.id) if found and found.heatmap_key else None,
        heat_of=heat_of,
    )


def draft_saved(draft: ReviewDraft) -> str:
    """When the draft was saved: only the time if it was today, otherwise with the day."""
    moment, today = when(draft.saved_at), day(clock.now())
    return _("Draft saved %(when)s", when=moment.removeprefix(f"{today}, "))


def overtaken(draft: ReviewDraft, scan: Scan) -> bool:
    """Whether a colleague has signed since the draft: a correction starts from the signed text, not from the draft."""
    return scan.review is not None and draft.saved_at < scan.review.created_at


def _unsigned(draft: ReviewDraft, scan: Scan, may: May) -> Unsigned:
    texts = (
        (_("Findings"), draft.findings),
        (_("Impression"), draft.impression),
        (_("Diagnosis"), draft.diagnosis),
        (_("Critical result"), draft.critical_action),
    )
    beside = overtaken(draft, scan) or not (may.verify or may.correct or may.write_second)
    return Unsigned(draft_saved(draft), tuple(each for each in texts if each[1].strip()), beside)


def _hold_title(hold: ScanHold) -> str:
    return _("The signature has been taken back") if hold.taken_back else str(_HOLD_TITLES[hold.to])


_HOLD_TITLES: dict[HoldFor, LazyString] = {
    HoldFor.DOCTOR: _l("A correction by the doctor has been asked for"),
    HoldFor.PHARMACIST: _l("A correction by the pharmacist has been asked for"),
}
_STEPS = {**STEPS, Status.PHARMACIST_COMPLETED: _l("Completed by the pharmacist")}


def _others(scan: Scan, compared: uuid.UUID | None) -> tuple[Other, ...]:
    base, url = url_for("doctor.worklist"), url_for("doctor.scan", scan_id=scan.id)
    others = queries.others_of_patient(scan, OTHER_SCANS)
    diagnoses = queries.diagnoses([other.id for other in others]) if others else {}
    return tuple(
        Other(
            url=f"{base}scans/{other.id}",
            words=f"{KIND_NAMES[other.kind]}, {when(other.uploaded_at)}",
            diagnosis=diagnoses.get(other.id, "").strip() or _no_diagnosis(other),
            tag=status_for_staff(cast("Scan", other)),
            thumbnail_url=f"{url_for('files.image', scan_id=other.id)}?size=thumbnail",
            compare_url=f"{url}?compare={other.id}",
            compared=other.id == compared,
        )
        for other in others
    )


def _no_diagnosis(scan: ListedScan) -> str:
    if scan.closure is not None:
        return _("Closed without a diagnosis.")
    if scan.status in {Status.PENDING_AI, Status.AI_ANALYZED}:
        return _("No diagnosis yet")
    return _("No diagnosis was given.")
