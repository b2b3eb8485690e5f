"""The figures of the statistics page as plots: positions and lengths for plain SVG, and the same facts in words.

Every plot has units of its own, and the page stretches it; the words beside it are text, so they keep their size.
Lengths show the values, never colours alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import format_date
from flask_babel.speaklater import LazyString

from csss.clock import now
from csss.i18n import _, _l
from csss.notices.models import MailKind, MailState
from csss.scans.presenters import STATUS_NAMES, Words, human_name
from csss.scans.states import Agreement, Status
from csss.statistics.figures import Bucket, Figures, Verdicts, wilson
from csss.web.admin.logs.forms import MAIL_KIND_WORDS
from csss.web.filters import ago

HEIGHT = 40.0  # of a strip of bars, in its own units; each bar is one unit wide
UNCERTAIN = "Uncertain"

STEP_WORDS: Words[Status] = Words(
    {
        Status.PENDING_AI: _l("Uploaded"),
        Status.AI_ANALYZED: _l("Analysed"),
        Status.DOCTOR_VERIFIED: _l("Verified"),
        Status.PHARMACIST_COMPLETED: _l("Completed"),
        Status.REPORT_READY: _l("Released"),
    }
)
_WAITS: dict[Status, LazyString] = {
    Status.AI_ANALYZED: _l("From the upload to the analysis"),
    Status.DOCTOR_VERIFIED: _l("For the doctor"),
    Status.PHARMACIST_COMPLETED: _l("For the pharmacist"),
    Status.REPORT_READY: _l("For the approval"),
}


@dataclass(frozen=True)
class BarMark:
    """One bar of a strip: its distance from the left and its height, in the strip's units."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Strip:
    """How often something happened in each part of the period."""

    id: str
    label: str
    total: int
    marks: tuple[BarMark, ...]
    description: str


@dataclass(frozen=True)
class WaitRow:
    """Lengths in percent of the longest; `median` and `p90` are the words."""

    id: str
    label: str
    count: int
    median: str
    p90: str
    median_length: float
    p90_length: float


@dataclass(frozen=True)
class ShareRow:
    """A share with its 95 % interval, as positions in percent from the left; None when the total is 0."""

    id: str
    label: str
    counts: tuple[int, ...]
    total: int
    place: float | None
    low: float | None
    high: float | None
    words: str


def parts_words(figures: Figures) -> list[str]:
    """The name of each part of the period: a day, or the day a week begins with."""
    return [_part(figures, bucket) for bucket in figures.buckets]


def _part(figures: Figures, bucket: Bucket) -> str:
    words = day_words(bucket.first_day)
    return words if figures.days <= 31 else _("week of %(day)s", day=words)


def day_words(day: date) -> str:
    return str(format_date(day, "d MMM"))


def strips(figures: Figures) -> list[Strip]:
    """A strip for each step and one for closed scans, all on one scale."""
    rows = [(status.value.lower(), STEP_WORDS[status], figures.steps[status]) for status in Status]
    if any(figures.closed):
        rows.append(("closed", _("Closed"), figures.closed))
    most = max((max(counts, default=0) for _id, _label, counts in rows), default=0)
    return [_strip(figures, *row, most) for row in rows]


def _strip(figures: Figures, name: str, label: str, counts: Sequence[int], most: int) -> Strip:
    marks = []
    for place, count in enumerate(counts):
        if count:
            height = round(HEIGHT * count / most, 2)
            marks.append(BarMark(place + 0.1, round(HEIGHT - height, 2), height))
    top = max(counts, default=0)
    when = _part(figures, figures.buckets[list(counts).index(top)]) if top else ""
    description = (
        _("%(total)s in all; most, %(most)s, on %(when)s.", total=sum(counts), most=top, when=when)
        if top
        else _("None in this time.")
    )
    return Strip(f"strip-{name}", label, sum(counts), tuple(marks), description)


def wait_rows(figures: Figures) -> list[WaitRow]:
    """How long scans waited before each step and in total, on one scale."""
    rows = [
        (status.value.lower(), str(label), figures.waits[status])
        for status, label in _WAITS.items()
        if status in figures.waits
    ]
    if figures.whole_way is not None:
        rows.append(("whole", _("In total, upload to release"), figures.whole_way))
    longest = max((wait.p90.total_seconds() for _id, _label, wait in rows), default=0.0) or 1.0
    return [
        WaitRow(
            id=f"wait-{name}",
            label=label,
            count=wait.count,
            median=ago(now() - wait.median),
            p90=ago(now() - wait.p90),
            median_length=round(100 * wait.median.total_seconds() / longest, 2),
            p90_length=round(100 * wait.p90.total_seconds() / longest, 2),
        )
        for name, label, wait in rows
    ]


def agreement_rows(figures: Figures) -> list[ShareRow]:
    """How far doctors agreed with each label the classifier gave; the uncertain readings last."""
    labels = sorted(figures.verdicts, key=lambda label: (label == UNCERTAIN, human_name(label)))
    rows = [_agreement(label, figures.verdicts[label]) for label in labels]
    if len(rows) > 1:
        certain = [figures.verdicts[label] for label in labels if label != UNCERTAIN]
        counts = {each: sum(one.counts[each] for one in certain) for each in Agreement}
        everything = Verdicts(counts, sum(one.unsaid for one in certain))
        rows.append(_share("agreement-all", _("All certain readings"), everything))
    return rows


def _agreement(label: str, verdicts: Verdicts) -> ShareRow:
    words = _("Uncertain (nearest class)") if label == UNCERTAIN else human_name(label)
    return _share(f"agreement-{label.lower()}", words, verdicts)


def _share(name: str, label: str, verdicts: Verdicts) -> ShareRow:
    counts = (*(verdicts.counts[each] for each in Agreement), verdicts.unsaid)
    return share_row(name, label, verdicts.agreed, verdicts.said, counts)


def share_row(name: str, label: str, hits: int, total: int, counts: tuple[int, ...] = ()) -> ShareRow:
    """A share in words and as positions on a scale of 0 to 100."""
    interval = wilson(hits, total)
    if interval is None:
        return ShareRow(name, label, counts, total, None, None, None, _("no answer yet"))
    low, high = (round(100 * each, 2) for each in interval)
    words = _(
        "%(hits)s of %(total)s: %(share)s %% (%(low)s to %(high)s %%)",
        hits=hits,
        total=total,
        share=round(100 * hits / total),
        low=round(low),
        high=round(high),
    )
    return ShareRow(name, label, counts, total, round(100 * hits / total, 2), low, high, words)


def uncertain_row(figures: Figures) -> ShareRow:
    """How often the classifier was uncertain."""
    readings = figures.readings
    return share_row("uncertain", _("Uncertain"), readings.uncertain, readings.available)


def minds_row(figures: Figures) -> ShareRow:
    """How often doctors signed something else than their first impression."""
    return share_row("minds", _("Changed"), figures.minds.changed, figures.minds.revealed)


@dataclass(frozen=True)
class CriticalsView:
    """Critical results of a period: their number and times in words, and the share within the limit."""

    facts: tuple[tuple[str, str], ...]
    within: ShareRow


def criticals_view(figures: Figures) -> CriticalsView:
    found = figures.criticals
    facts = [(_("Marked"), str(found.marked))]
    if found.waits is not None:
        facts += [
            (_("Median until somebody took note"), ago(now() - found.waits.median)),
            (_("Ninetieth percentile"), ago(now() - found.waits.p90)),
        ]
    within = share_row("critical-within", _("In time"), found.within, found.decided)
    return CriticalsView(tuple(facts), within)


def seconds_row(figures: Figures) -> ShareRow:
    """How often a second reading came to the same conclusion."""
    return share_row("seconds", _("Same conclusion"), figures.seconds.same, figures.seconds.written)


def standing_words(figures: Figures) -> list[tuple[str, int]]:
    """The number of open scans in each state now."""
    return [(STATUS_NAMES[status], count) for status, count in figures.standing.items()]


def mail_rows(figures: Figures) -> list[tuple[str, int, int, int]]:
    """For each kind of message: sent, not delivered, still to be sent or dropped."""
    rows = []
    for kind in MailKind:
        by = {state: figures.mails.get((kind, state), 0) for state in MailState}
        if total := sum(by.values()):
            sent, failed = by[MailState.SENT], by[MailState.FAILED]
            rows.append((MAIL_KIND_WORDS[kind], sent, failed, total - sent - failed))
    return rows
