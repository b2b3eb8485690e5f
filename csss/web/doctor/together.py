"""Doctors who work on a scan together, in words: to whom it is assigned, and the second reading."""

from dataclasses import dataclass

from csss.i18n import _
from csss.people.models import User
from csss.scans import assignments, policies, second_readings
from csss.scans.first_impressions import same_conclusion
from csss.scans.models import Scan
from csss.scans.together_models import ScanAssignment, SecondReadingRequest
from csss.web.filters import when


@dataclass(frozen=True)
class WrittenPart:
    """What one doctor wrote, for the comparison of two readings."""

    doctor: str
    when: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SecondView:
    """Both readings side by side; `same` is whether they come to the same conclusion, `verdict` says it."""

    first: WrittenPart
    second: WrittenPart
    same: bool
    verdict: str


@dataclass(frozen=True)
class TogetherView:
    """`assigned` says to whom and by whom, None where it is not assigned; `mine`: to this doctor.

    `waits` says what a second reading waits for, None where none is asked for; `ends` is whether the request can be
    ended. `compared` is there once this doctor may know both readings.
    """

    assigned: str | None
    note: str
    mine: bool
    may_give_back: bool
    waits: str | None
    ends: bool
    compared: SecondView | None


def together_view(scan: Scan, reader: User) -> TogetherView:
    assigned, asked = assignments.standing(scan), second_readings.standing(scan)
    shown = second_readings.shown_to(scan, reader)
    return TogetherView(
        assigned=_assigned_words(assigned, reader) if assigned else None,
        note=assigned.note if assigned else "",
        mine=assigned is not None and assigned.to_id == reader.id,
        may_give_back=policies.may(assignments.check_can_give_back, scan, reader),
        waits=_waits_words(asked, reader) if asked else None,
        ends=asked is not None and scan.closure is None,
        compared=_compared(shown) if shown else None,
    )


def _assigned_words(assigned: ScanAssignment, reader: User) -> str:
    if assigned.to_id == reader.id == assigned.by_id:
        return _("You have taken this scan on")
    if assigned.to_id == reader.id:
        return _("Assigned to you by %(doctor)s", doctor=assigned.by.name)
    if assigned.by_id == reader.id:
        return _("You have assigned this scan to %(doctor)s", doctor=assigned.to.name)
    return _("Assigned to %(to)s by %(by)s", to=assigned.to.name, by=assigned.by.name)


def _waits_words(asked: SecondReadingRequest, reader: User) -> str:
    mine, second = asked.asked_by_id == reader.id, asked.second
    if second is None and mine:
        return _(
            "You have asked for a second reading. Nobody has written it yet; you can still sign without it."
        )
    if second is None:
        return _(
            "%(doctor)s asks for a second reading. You see the first conclusion once yours is kept.",
            doctor=asked.asked_by.name,
        )
    if mine:
        return _(
            "%(doctor)s has written the second reading. Compare it with yours, and sign.",
            doctor=second.doctor.name,
        )
    return _(
        "The second reading is written. %(doctor)s compares the two and signs.", doctor=asked.asked_by.name
    )


def _compared(asked: SecondReadingRequest) -> SecondView | None:
    second = asked.second
    if second is None:
        return None
    return SecondView(
        first=WrittenPart(asked.asked_by.name, when(asked.asked_at), _texts(asked)),
        second=WrittenPart(second.doctor.name, when(second.written_at), _texts(second)),
        same=second.same,
        verdict=_verdict(asked),
    )


def _texts(written: object) -> tuple[tuple[str, str], ...]:
    parts = ((_("Diagnosis"), "diagnosis"), (_("Impression"), "impression"), (_("Findings"), "findings"))
    return tuple((label, text) for label, name in parts if (text := getattr(written, name)))


def _verdict(asked: SecondReadingRequest) -> str:
    second = asked.second
    if second is None or same_conclusion(asked, second):
        return _("Both come to the same conclusion.")
    return _(
        "The conclusions differ: “%(first)s” and “%(second)s”.",
        first=asked.diagnosis or asked.impression,
        second=second.diagnosis or second.impression,
    )
