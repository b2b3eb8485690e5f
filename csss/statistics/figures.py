"""Define the figures and their periods: plain values, and the little arithmetic that they need."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from csss.notices.models import MailKind, MailState
from csss.scans.states import Agreement, Status
from csss.statistics import measures

PERIODS = (7, 30, 90, 365)  # days


@dataclass(frozen=True)
class Bucket:
    """A day, or a week in a longer period: from `begins` (inclusive) to `ends` (exclusive), both local midnight."""

    first_day: date
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Wait:
    """How long scans waited before they reached a status, by nearest rank. `count` scans reached it."""

    count: int
    median: timedelta
    p90: timedelta


@dataclass(frozen=True)
class Verdicts:
    """What doctors said about the classifier's predictions with one label. `unsaid`: the doctor was not asked or
    gave no answer."""

    counts: Mapping[Agreement, int]
    unsaid: int

    @property
    def said(self) -> int:
        return sum(self.counts.values())

    @property
    def agreed(self) -> int:
        return self.counts.get(Agreement.AGREE, 0)


@dataclass(frozen=True)
class Readings:
    """How many scans the classifier has read, how many of them were uncertain, and how many were read without it."""

    certain: int
    uncertain: int
    without: int

    @property
    def available(self) -> int:
        return self.certain + self.uncertain


@dataclass(frozen=True)
class Minds:
    """Readings that were signed after a first impression, and how many differ from it."""

    revealed: int
    changed: int


@dataclass(frozen=True)
class Criticals:
    """Critical results that were marked: how many; how long it took until somebody had taken note of them; and how many
    of those whose time is over, or of which somebody has taken note, were within the limit.

    A result that was withdrawn before anybody had taken note of it is left out.
    """

    marked: int
    waits: Wait | None
    decided: int
    within: int


@dataclass(frozen=True)
class Seconds:
    """Second readings: how many were asked for, how many were written, and how many of these came to the same conclusion."""

    asked: int
    written: int
    same: int


@dataclass(frozen=True)
class Figures:
    """Everything that the page shows for one period, as of `made_at`."""

    days: int
    made_at: datetime
    buckets: tuple[Bucket, ...]
    steps: Mapping[Status, tuple[int, ...]]  # how many scans reached a status in each bucket
    standing: Mapping[Status, int]  # how many open scans are in the status now
    closed: tuple[int, ...]  # scans closed in each bucket
    waits: Mapping[Status, Wait]
    whole_way: Wait | None  # from the upload to the release
    verdicts: Mapping[str, Verdicts]  # by the predicted label; "Uncertain" is one of them
    readings: Readings
    minds: Minds
    criticals: Criticals
    seconds: Seconds
    mails: Mapping[tuple[MailKind, MailState], int]


def buckets(days: int, zone: ZoneInfo, at: datetime) -> tuple[Bucket, ...]:
    """The last `days` days including today: daily up to a month, otherwise weekly (the last week ends today)."""
    today = at.astimezone(zone).date()
    step = 1 if days <= 31 else 7
    number = -(-days // step)
    first = today + timedelta(days=1) - timedelta(days=number * step)
    starts = [first + timedelta(days=step * each) for each in range(number + 1)]
    midnights = [datetime.combine(day, time.min, tzinfo=zone) for day in starts]
    return tuple(Bucket(starts[each], midnights[each], midnights[each + 1]) for each in range(number))


def wilson(hits: int, total: int) -> tuple[float, float] | None:
    """The 95 % confidence interval of a proportion, as fractions; None without data."""
    if total == 0:
        return None
    low, high = measures.wilson(hits, total)
    return float(low), float(high)
