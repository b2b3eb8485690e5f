"""The watch in words and as places for plain SVG: shares between their limits, numbers before and now, agreement by week."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import url_for

from csss.dates import day, in_hospital
from csss.i18n import _, _n
from csss.scans.presenters import KIND_NAMES, Tag
from csss.watch.figures import FigureComparison, ReadScans, Spread, WatchedKind, Week
from csss.watch.models import WatchAlarm, WhyClosed
from csss.watch.words import name, number, percent, sentence
from csss.web.admin.figures.plots import HEIGHT, BarMark, Strip, day_words

Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class ShareView:
    """A share: places in percent from the left."""

    id: str
    label: str
    is_outside: bool
    words: str
    was: float
    now: float
    low: float
    high: float


@dataclass(frozen=True)
class BoxMark:
    """A spread: from the 5th to the 95th percentile, the middle half, and the median, in percent from the left."""

    y: float
    left: float
    width: float
    middle_left: float
    middle_width: float
    median: float


@dataclass(frozen=True)
class LevelView:
    """A number: the reference above, the recent window below, on one scale."""

    id: str
    label: str
    is_outside: bool
    words: str
    boxes: tuple[BoxMark, BoxMark]


@dataclass(frozen=True)
class KindView:
    """Everything that is shown of one kind of scan."""

    id: str
    title: str
    windows: tuple[str, ...]
    shares: tuple[ShareView, ...]
    levels: tuple[LevelView, ...]
    rows: tuple[Row, ...]
    weeks: Strip | None
    week_rows: tuple[tuple[str, int, str, str, str], ...]
    week_ends: tuple[str, str]


@dataclass(frozen=True)
class AlarmView:
    """One alarm: templates/admin/_alarms.html."""

    id: str
    sentence: str
    about: str
    tag: Tag
    seen: str | None
    see_url: str


def kind_view(found: WatchedKind) -> KindView:
    """Shares first, then numbers; those outside their limits are marked where they stand."""
    compared = [each for each in found.compared if each.is_compared]
    return KindView(
        id=f"kind-{found.kind.value}",
        title=KIND_NAMES[found.kind],
        windows=tuple(_windows(found)),
        shares=tuple(_share(found, each) for each in compared if each.level is None),
        levels=tuple(_level(found, each) for each in compared if each.level is not None),
        rows=tuple(_row(each) for each in found.compared),
        weeks=_weeks(found) if any(each.said for each in found.weeks) else None,
        week_rows=tuple(_week_row(each) for each in found.weeks),
        week_ends=(_week_name(found.weeks[0]), _week_name(found.weeks[-1])) if found.weeks else ("", ""),
    )


def _windows(found: WatchedKind) -> Iterator[str]:
    yield _(
        "Reference: the first %(count)s scans, %(period)s.",
        count=len(found.reference),
        period=_period(found.reference),
    )
    if found.missing_reference:
        yield _n(
            "%(num)s scan is missing until the reference is complete.",
            "%(num)s scans are missing until the reference is complete.",
            found.missing_reference,
        )
    elif found.missing_recent:
        yield _n(
            "The reference is complete. %(num)s later scan is missing until it can be compared.",
            "The reference is complete. %(num)s later scans are missing until they can be compared.",
            found.missing_recent,
        )
    else:
        yield _("Now: %(count)s scans, %(period)s.", count=len(found.recent), period=_period(found.recent))


def _period(scans: ReadScans) -> str:
    first, last = scans.moment(0), scans.moment(-1)
    return _("%(first)s to %(last)s", first=day(first), last=day(last))


def _identity(found: WatchedKind, each: FigureComparison) -> str:
    return f"{found.kind.value}-{each.figure.value}{'-' + each.answer.lower() if each.answer else ''}"


def _share(found: WatchedKind, each: FigureComparison) -> ShareView:
    was, now, low, high = each.was or 0.0, each.now or 0.0, each.low or 0.0, each.high or 0.0
    words = _(
        "%(now)s of %(scans_now)s, before %(was)s of %(scans_was)s; limits %(low)s to %(high)s",
        now=percent(now),
        was=percent(was),
        scans_now=each.scans_now,
        scans_was=each.scans_was,
        low=percent(low),
        high=percent(high),
    )
    places = (round(100 * value, 2) for value in (was, now, low, high))
    return ShareView(_identity(found, each), name(each.figure, each.answer), each.is_outside, words, *places)


def _level(found: WatchedKind, each: FigureComparison) -> LevelView:
    if each.level is None:
        raise ValueError("only numbers have a level")
    was, now = each.level.was, each.level.now
    words = _(
        "median %(now)s, before %(was)s; the windows differ by %(apart)s, limit %(limit)s",
        now=number(now.median),
        was=number(was.median),
        apart=percent(each.measured or 0.0),
        limit=percent(each.high or 0.0),
    )
    low, high = min(was.p5, now.p5), max(was.p95, now.p95)
    scale = 100 / (high - low) if high > low else 0.0
    boxes = (_box(was, 0.5, low, scale), _box(now, 8.5, low, scale))
    return LevelView(_identity(found, each), name(each.figure), each.is_outside, words, boxes)


def _box(spread: Spread, y: float, low: float, scale: float) -> BoxMark:
    p5, p25, median, p75, p95 = (
        round((value - low) * scale, 2)
        for value in (spread.p5, spread.p25, spread.median, spread.p75, spread.p95)
    )
    return BoxMark(y, p5, max(p95 - p5, 0.5), p25, max(p75 - p25, 0.5), min(max(median - 0.4, 0), 99.2))


def _row(each: FigureComparison) -> Row:
    """Name, before, now, limits, verdict."""
    label = name(each.figure, each.answer)
    if each.was is None or each.now is None or each.high is None or each.low is None:
        return label, str(each.scans_was), str(each.scans_now), "–", _("too few scans to compare")
    verdict = _("outside") if each.is_outside else _("within")
    if each.level is None:
        limits = _("%(low)s to %(high)s", low=percent(each.low), high=percent(each.high))
        return label, percent(each.was), percent(each.now), limits, verdict
    apart = _(
        "%(apart)s apart, limit %(limit)s", apart=percent(each.measured or 0.0), limit=percent(each.high)
    )
    return label, _spread(each.level.was), _spread(each.level.now), apart, verdict


def _spread(spread: Spread) -> str:
    return _(
        "%(median)s (%(low)s to %(high)s)",
        median=number(spread.median),
        low=number(spread.p5),
        high=number(spread.p95),
    )


def _week_name(week: Week) -> str:
    return _("week of %(day)s", day=day_words(in_hospital(week.begins).date()))


def _weeks(found: WatchedKind) -> Strip:
    marks, strange = [], []
    for place, each in enumerate(found.weeks):
        if each.said:
            height = round(HEIGHT * each.agreed / each.said, 2)
            marks.append(BarMark(place + 0.1, round(HEIGHT - height, 2), height))
        if _verdict(each) == _("outside"):
            strange.append(_week_name(each))
    description = (
        _("Outside its limits: %(weeks)s.", weeks=", ".join(strange))
        if strange
        else _("No week lies outside its limits.")
    )
    said = sum(each.said for each in found.weeks)
    label = _("Doctors agree with a certain answer, by week; readings:")
    return Strip(f"weeks-{found.kind.value}", label, said, tuple(marks), description)


def _verdict(week: Week) -> str:
    if week.low is None or week.high is None:
        return "–"
    return _("within") if week.low - 1e-9 <= week.agreed / week.said <= week.high + 1e-9 else _("outside")


def _week_row(week: Week) -> tuple[str, int, str, str, str]:
    limits = (
        "–"
        if week.low is None or week.high is None
        else _("%(low)s to %(high)s", low=percent(week.low), high=percent(week.high))
    )
    share = percent(week.agreed / week.said) if week.said else "–"
    return _week_name(week), week.said, share, limits, _verdict(week)


def alarm_views(alarms: Sequence[WatchAlarm]) -> list[AlarmView]:
    """Newest first, as they come."""
    return [_alarm(each) for each in alarms]


def _alarm(alarm: WatchAlarm) -> AlarmView:
    about = _(
        "%(version)s, opened %(opened)s, last outside its limits %(last)s",
        version=alarm.model_version,
        opened=day(alarm.opened_at),
        last=day(alarm.last_seen_at),
    )
    seen = None
    if alarm.seen_at is not None:
        seen = _(
            "Seen by %(name)s, %(day)s",
            name=alarm.seen_by.name if alarm.seen_by else "–",
            day=day(alarm.seen_at),
        )
    return AlarmView(
        id=f"alarm-{alarm.id}",
        sentence=sentence(alarm),
        about=about,
        tag=_tag(alarm),
        seen=seen,
        see_url=url_for("admin.see_alarm", alarm_id=alarm.id),
    )


def _tag(alarm: WatchAlarm) -> Tag:
    if alarm.closed_at is None:
        if alarm.within_since is None:
            return Tag(_("open"), "warn", "warning")
        return Tag(_("within its limits since %(day)s", day=day(alarm.within_since)), "wait", "hourglass")
    if alarm.closed_why is WhyClosed.REPLACED:
        return Tag(_("closed: another version reads the scans"), "neutral", "list")
    return Tag(_("closed: within its limits again"), "ok", "check-circle")
