"""How many scans a study needs for intervals of a wanted width."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, lgamma, log

import numpy as np

from csss.statistics.measures import Z

MOST = 10_000_000  # scans; nobody reads more


class TooLarge(Exception):
    """A study that nobody could do; the text is a sentence for the person who plans it."""


@dataclass(frozen=True)
class SampleSize:
    """`total` scans hold, with the wanted assurance, at least `positives` and `negatives`."""

    positives: int
    negatives: int
    total: int


def score_width(share: float, number: int) -> float:
    """The width of Wilson's score interval when exactly this share of so many scans is found."""
    square = Z * Z
    spread = share * (1 - share) / number + square / (4 * number * number)
    return float(2 * Z / (1 + square / number) * spread**0.5)


def number_for(share: float, width: float) -> int:
    """The fewest scans whose score interval is no wider than `width` at this share.

    The width of the score interval falls with the number (Wilson 1927; as a rule for sample sizes: Piegorsch, Biometrics
    60:1013, 2004), so the number is found by halving. Raises TooLarge.
    """
    low, high = 0, 1
    while score_width(share, high) > width:
        low, high = high, 2 * high
        if high > MOST:
            raise TooLarge("No study of a possible size gives an interval as narrow as this.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if score_width(share, middle) > width else (low, middle)
    return high


@lru_cache(maxsize=4096)
def chance_of_at_least(number: int, total: int, share: float) -> float:
    """The chance that of `total` scans at least `number` are positive: the upper tail of the binomial distribution."""
    if number <= 0:
        return 1.0
    if number > total:
        return 0.0
    counts = np.arange(number, total + 1)
    choose = lgamma(total + 1) - _log_factorials(total)[counts] - _log_factorials(total)[total - counts]
    return float(min(1.0, np.exp(choose + counts * log(share) + (total - counts) * log(1 - share)).sum()))


@lru_cache(maxsize=8)
def _log_factorials(most: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def sample_size(
    *, sensitivity: float, specificity: float, width: float, prevalence: float, assurance: float = 0.9
) -> SampleSize:
    """The scans for intervals of sensitivity and specificity no wider than `width`, where the share `prevalence` is
    positive.

    How many positives a sample holds is a matter of chance: `total` is the fewest scans that hold enough of both with at
    least the chance `assurance` each (binomial). Raises TooLarge.
    """
    positives, negatives = number_for(sensitivity, width), number_for(specificity, width)

    def enough(total: int) -> bool:
        return (
            chance_of_at_least(positives, total, prevalence) >= assurance
            and chance_of_at_least(negatives, total, 1 - prevalence) >= assurance
        )

    low = max(positives, negatives) - 1
    high = max(ceil(positives / prevalence), ceil(negatives / (1 - prevalence)), low + 1)
    while not enough(high):
        low, high = high, ceil(1.2 * high) + 1
        if high > MOST:
            raise TooLarge(
                "The condition is so rare that no study of a possible size finds enough positives."
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return SampleSize(positives, negatives, high)
