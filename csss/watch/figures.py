"""What is watched of the scans that one version of the classifier has read, and one window of them against another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from csss.scans.states import ScanKind
from csss.statistics.measures import Floats
from csss.watch import rules

REFERENCE = 200
"""Scans with which a version begins: what comes later is compared with them."""
RECENT = 50
RECENT_DAYS = 30
MOST = 2000
"""More recent scans than this are not read: a window of them tells no more, and a change would show later."""
LEAST_REFERENCE = 50
LEAST_RECENT = 20
"""A figure that fewer scans have (doctors' agreement, say) is not compared."""

FALSE_ALARMS = 0.05
"""At most this share of windows brings an alarm although nothing has changed, over all figures of a version and a kind of
scan together."""
LOOKS = 10
"""A window is looked at once a day while it passes. Windows of neighbouring days hold nearly the same scans, so all these
looks together count as ten; `tests/unit/test_watch.py` proves by simulation that the promise holds."""


class Figure(StrEnum):
    """What is watched. ANSWER is watched for each class."""

    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    AGREEMENT = "agreement"
    JPEG = "jpeg"
    SIXTEEN_BITS = "sixteen_bits"
    ANSWER = "answer"
    OUTLIER_SCORE = "outlier_score"
    SIZE = "size"
    SHAPE = "shape"
    MEAN_GREY = "mean_grey"
    CONTRAST = "contrast"


LEVELS = (Figure.MEAN_GREY, Figure.CONTRAST, Figure.SIZE, Figure.SHAPE, Figure.OUTLIER_SCORE)
"""Figures that are numbers of each scan; the others are shares."""
SHARES = (Figure.REFUSED, Figure.UNCERTAIN, Figure.AGREEMENT, Figure.JPEG, Figure.SIXTEEN_BITS)


@dataclass(frozen=True)
class ReadScans:
    """Scans, oldest first: when each was read (seconds), and of each figure a number, 0 or 1 for shares. NaN: not known, or
    the scan does not count for it. `answers` is empty where the classifier was uncertain."""

    at: Floats
    values: Mapping[Figure, Floats]
    answers: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.at)

    def part(self, chosen: slice) -> "ReadScans":
        return ReadScans(
            self.at[chosen], {name: each[chosen] for name, each in self.values.items()}, self.answers[chosen]
        )

    def series(self, figure: Figure, answer: str = "") -> Floats:
        """The numbers of one figure; with Figure.ANSWER, whether each certain answer is this one."""
        if figure is not Figure.ANSWER:
            return self.values[figure]
        return np.where(self.answers == "", np.nan, self.answers == answer)

    def moment(self, number: int) -> datetime:
        return datetime.fromtimestamp(float(self.at[number]), UTC)


@dataclass(frozen=True)
class Spread:
    """The 5th, 25th, 50th, 75th and 95th percentile."""

    p5: float
    p25: float
    median: float
    p75: float
    p95: float


@dataclass(frozen=True)
class Level:
    """How a number is spread in both windows, and where they differ most: the shares that do not lie above `edge`."""

    was: Spread
    now: Spread
    edge: float
    share_was: float
    share_now: float


@dataclass(frozen=True)
class FigureComparison:
    """A figure in the recent window against the reference.

    `was` and `now` are shares, or medians. `low` and `high` are the limits of a share; for a number, of the distance
    between both windows (`measured`). They are None where too few scans have the figure.
    """

    figure: Figure
    answer: str
    scans_was: int
    scans_now: int
    was: float | None = None
    now: float | None = None
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    higher: bool = False
    level: Level | None = None

    @property
    def is_compared(self) -> bool:
        return self.high is not None

    @property
    def is_outside(self) -> bool:
        """Whether chance does not explain the difference."""
        if self.low is None or self.high is None or self.measured is None:
            return False
        return not self.low - 1e-9 <= self.measured <= self.high + 1e-9


def watched(answers: Sequence[str]) -> Iterator[tuple[Figure, str]]:
    """All figures of a kind of scan whose classes are `answers`."""
    yield from ((each, "") for each in (*SHARES, *LEVELS))
    yield from ((Figure.ANSWER, each) for each in answers)


def recent_part(scans: ReadScans, at: datetime) -> ReadScans:
    """The last 30 days, or the last 50 scans if these are more. `scans` are those after the reference."""
    first = int(np.searchsorted(scans.at, (at - timedelta(days=RECENT_DAYS)).timestamp()))
    return scans.part(slice(max(min(first, len(scans) - RECENT), 0), None))


def compare(reference: ReadScans, recent: ReadScans, answers: Sequence[str]) -> tuple[FigureComparison, ...]:
    """Every figure of the recent window against the reference.

    The chance of each is the promised one, shared out over all figures and looks (Bonferroni), so it holds whatever
    the figures have to do with each other.
    """
    figures = list(watched(answers))
    chance = FALSE_ALARMS / (LOOKS * len(figures))
    return tuple(
        _compare(figure, answer, _known(reference, figure, answer), _known(recent, figure, answer), chance)
        for figure, answer in figures
    )


def _known(scans: ReadScans, figure: Figure, answer: str) -> Floats:
    values = scans.series(figure, answer)
    return values[~np.isnan(values)]


def _compare(figure: Figure, answer: str, first: Floats, second: Floats, chance: float) -> FigureComparison:
    total, number = len(first), len(second)
    if total < LEAST_REFERENCE or number < LEAST_RECENT:
        return FigureComparison(figure, answer, total, number)
    if figure not in LEVELS:
        was, now = float(first.mean()), float(second.mean())
        low, high = rules.share_band(int(first.sum()), total, number, chance)
        return FigureComparison(figure, answer, total, number, was, now, now, low, high, now > was)
    apart = rules.distance(first, second)
    level = Level(_spread(first), _spread(second), apart.edge, apart.was, apart.now)
    limit = rules.distance_limit(total, number, chance)
    higher = apart.now < apart.was
    medians = level.was.median, level.now.median
    return FigureComparison(figure, answer, total, number, *medians, apart.size, 0.0, limit, higher, level)


def _spread(values: Floats) -> Spread:
    """Percentiles by linear interpolation, at a fraction of the time of numpy's own."""
    places = np.array((0.05, 0.25, 0.5, 0.75, 0.95)) * (len(values) - 1)
    found = np.interp(places, np.arange(len(values)), np.sort(values))
    return Spread(*(float(each) for each in found))


def began(scans: ReadScans, found: FigureComparison) -> datetime:
    """When the scans after the reference left it, as far as can be told. Only for figures that are compared."""
    values = scans.series(found.figure, found.answer)
    was, now = found.was or 0.0, found.now or 0.0
    if found.level is not None:
        values = np.where(np.isnan(values), np.nan, values <= found.level.edge)
        was, now = found.level.share_was, found.level.share_now
    return scans.moment(rules.change_begins(values, was, now))


@dataclass(frozen=True)
class Week:
    """What doctors said of certain answers in a week, and the limits in which its share lies 997 times in 1000."""

    begins: datetime
    said: int
    agreed: int
    low: float | None
    high: float | None


THREE_SIGMA = 0.0027
"""The chance that Shewhart's three sigmas leave outside. It only marks a week; an alarm needs a whole window."""


def week(begins: datetime, said: int, agreed: int, agreement: FigureComparison) -> Week:
    """A week against the reference's agreement; without limits where that is not known."""
    if not said or agreement.was is None:
        return Week(begins, said, agreed, None, None)
    hits = round(agreement.was * agreement.scans_was)
    return Week(begins, said, agreed, *rules.share_band(hits, agreement.scans_was, said, THREE_SIGMA))


@dataclass(frozen=True)
class WatchedKind:
    """One version of the classifier and one kind of scan, as of `at`. `compared` is empty while scans are missing."""

    version: str
    kind: ScanKind
    at: datetime
    reference: ReadScans
    later: ReadScans
    recent: ReadScans
    compared: tuple[FigureComparison, ...]
    weeks: tuple[Week, ...] = ()

    @property
    def missing_reference(self) -> int:
        return REFERENCE - len(self.reference)

    @property
    def missing_recent(self) -> int:
        return max(RECENT - len(self.later), 0)


def watch(  # noqa: PLR0917 - two windows and what they are of
    version: str,
    kind: ScanKind,
    at: datetime,
    reference: ReadScans,
    later: ReadScans,
    answers: Sequence[str],
) -> WatchedKind:
    """Compare the recent part of the scans after the reference with it, as soon as both are complete."""
    recent = recent_part(later, at)
    complete = len(reference) == REFERENCE and len(later) >= RECENT
    compared = compare(reference, recent, answers) if complete else ()
    return WatchedKind(version, kind, at, reference, later, recent, compared)
