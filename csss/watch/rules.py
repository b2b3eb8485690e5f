"""Limits for shares and for distributions, and the time of a change. Pure functions of numbers."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from csss.statistics.measures import Floats


class Band(NamedTuple):
    """The smallest and the greatest share that chance explains."""

    low: float
    high: float


class Distance(NamedTuple):
    """Two samples differ most at `edge`: there `was` of the first and `now` of the second do not lie above it."""

    size: float
    edge: float
    was: float
    now: float


@lru_cache(maxsize=4096)
def share_band(hits: int, total: int, number: int, chance: float) -> Band:
    """The limits of a share among `number` scans, when `hits` of `total` scans of the reference had it.

    A p-chart (Shewhart, Economic Control of Quality of Manufactured Product, 1931) whose limits stand as far apart as
    `chance` asks for: a scan group of the same share lies outside with at most this chance. Both groups are samples, so
    the limits are exact ones (Fisher, J. R. Stat. Soc. 98:39, 1935): given all hits, those of the reference are
    hypergeometric. Sigmas of the normal distribution are exceeded up to seven times as often as they promise here, as
    are Wilson's intervals (Newcombe, Stat. Med. 17:873, 1998), because the reference is small.
    """
    middle = round(number * hits / total)
    # The tails fall with the distance from the reference, so each limit is found by halving.
    low, outside = middle, -1
    while low - outside > 1:
        tried = (low + outside) // 2
        chance_of = _tail(total - hits, total, number - tried, number)
        low, outside = (tried, outside) if chance_of > chance / 2 else (low, tried)
    high, outside = middle, number + 1
    while outside - high > 1:
        tried = (high + outside) // 2
        chance_of = _tail(hits, total, tried, number)
        high, outside = (tried, outside) if chance_of > chance / 2 else (high, tried)
    return Band(low / number, high / number)


def _tail(hits: int, total: int, recent_hits: int, number: int) -> float:
    """The chance that the reference has at most `hits` of all hits, if they are spread by chance alone."""
    every = hits + recent_hits
    held = np.arange(max(0, every - number), hits + 1)
    logs = (
        _log_choose(total, held)
        + _log_choose(number, every - held)
        - _log_choose(total + number, np.array([every]))
    )
    return float(np.exp(logs).sum())


def _log_choose(total: int, chosen: NDArray[np.int64]) -> Floats:
    logs = _log_factorials(total)
    return np.asarray(logs[total] - logs[chosen] - logs[total - chosen], np.float64)


@lru_cache(maxsize=64)
def _log_factorials(most: int) -> Floats:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, most + 1, dtype=np.float64)))))


def distance(reference: Floats, recent: Floats) -> Distance:
    """Where two distributions differ most, and how much: the two-sample statistic of Kolmogorov and Smirnov (Smirnov,
    Ann. Math. Stat. 19:279, 1948). Neither sample may be empty."""
    first, second = np.sort(reference), np.sort(recent)
    edges = np.concatenate((first, second))
    was = np.searchsorted(first, edges, side="right") / len(first)
    now = np.searchsorted(second, edges, side="right") / len(second)
    most = int(np.argmax(np.abs(now - was)))
    return Distance(float(abs(now[most] - was[most])), float(edges[most]), float(was[most]), float(now[most]))


def distance_limit(total: int, number: int, chance: float) -> float:
    """The distance that two samples of one distribution exceed with at most this chance: the first term of Smirnov's
    series. Ties, such as pictures of one size, only make it rarer."""
    return float(np.sqrt(-np.log(chance / 2) / 2 * (1 / total + 1 / number)))


def change_begins(values: Floats, was: float, now: float) -> int:
    """Where a series left the level `was` for the level `now`: the place where its cumulative sum against the middle of
    both turns for good (Page, Biometrika 41:100, 1954). Values are 0, 1, or NaN, which do not count."""
    steps = np.nan_to_num((values - (was + now) / 2) * np.sign(now - was))
    return int(np.argmin(np.concatenate(([0.0], np.cumsum(steps)[:-1]))))
