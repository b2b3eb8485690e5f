"""Find near duplicates: correlation of 32 x 32 thumbnails, for all pairs or, for very many pictures, by hashing.

Up to `ALL_PAIRS` pictures, every pair is compared. Above that, only pictures that share a bucket in at least one of
`TABLES` hash tables: a bucket is the signs of `BITS` random projections of the thumbnail minus the mean thumbnail
(random hyperplanes, Charikar 2002, https://doi.org/10.1145/509907.509965). Two thumbnails of correlation 0.99 are
about 8 degrees apart, 16 after subtracting the mean. A sign then differs with probability 0.09, so they share a
bucket of 12 signs with probability 0.32, and one of 24 tables finds them with probability above 0.9999.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.data.dataset import Image

NEAR = 0.99
"""Correlation of thumbnails above which two pictures count as near duplicates."""
SIDE = 32
ALL_PAIRS = 30_000
BITS = 12
TABLES = 24
BLOCK = 1024
SEED = 42


@dataclass(frozen=True)
class NearPair:
    """Two near duplicates, by their indices in the list of images, the smaller index first."""

    first: int
    second: int
    correlation: float


def thumbnails(folder: Path, images: Sequence[Image], keep: Path | None = None) -> NDArray[np.uint8]:
    """Grey thumbnails (n, 1024). With the file `keep`, they are saved as they are made, and an interrupted run
    continues there.

    Raises `OSError` for a picture that cannot be read.
    """
    thumbs, done = _store(images, keep)
    left = np.flatnonzero(done == 0)
    for place in tqdm(left, desc="thumbnails", unit="image", disable=not len(left)):
        path = folder / images[place].path
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise OSError(f"{path} cannot be read as a picture.")
        thumbs[place] = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
        done[place] = 1
    return np.asarray(thumbs)


def _store(images: Sequence[Image], keep: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Arrays for the thumbnails and for flags of finished ones; on disk, named after the list of images."""
    if keep is None:
        return np.zeros((len(images), SIDE * SIDE), np.uint8), np.zeros(len(images), np.uint8)
    listed = hashlib.sha256("\n".join(image.path for image in images).encode()).hexdigest()[:12]
    file = keep.with_name(f"{keep.stem}-{listed}.npy")
    file.parent.mkdir(parents=True, exist_ok=True)
    size = (len(images), SIDE * SIDE + 1)
    stored: Any = np.lib.format.open_memmap(
        file, mode="r+" if file.is_file() else "w+", dtype=np.uint8, shape=None if file.is_file() else size
    )
    return stored[:, :-1], stored[:, -1]


def _unit(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean 0 and length 1, so that a dot product is a correlation; a uniform picture correlates with nothing."""
    values = thumbs.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


def near_pairs(
    thumbs: NDArray[np.uint8], above: float = NEAR, all_pairs: int = ALL_PAIRS, tables: int = TABLES
) -> list[NearPair]:
    """Every pair of thumbnails (n, 1024) that correlates by more than `above`, the most similar first."""
    found: dict[tuple[int, int], float] = {}
    everybody = np.arange(len(thumbs))
    buckets = [everybody] if len(thumbs) <= all_pairs else _buckets(thumbs, tables)
    for members in buckets:
        for first, second, correlation in _alike(thumbs, members, above):
            found[first, second] = correlation
    pairs = [NearPair(first, second, correlation) for (first, second), correlation in found.items()]
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second))


def _alike(
    thumbs: NDArray[np.uint8], members: NDArray[np.int64], above: float
) -> Iterator[tuple[int, int, float]]:
    """The similar pairs among some thumbnails, compared block by block, each pair once."""
    for start in range(0, len(members), BLOCK):
        rows = _unit(thumbs[members[start : start + BLOCK]])
        for other in range(start, len(members), BLOCK):
            columns = rows if other == start else _unit(thumbs[members[other : other + BLOCK]])
            correlation = rows @ columns.T
            for row, column in np.argwhere(correlation > above):
                first, second = int(members[start + row]), int(members[other + column])
                if first < second:
                    yield first, second, float(correlation[row, column])


def _buckets(thumbs: NDArray[np.uint8], tables: int) -> Iterator[NDArray[np.int64]]:
    """Indices of thumbnails that share a bucket, in increasing order, for every table and bucket of two or more."""
    random = np.random.default_rng(SEED)
    starts = range(0, len(thumbs), BLOCK)
    mean = sum(_unit(thumbs[start : start + BLOCK]).sum(axis=0) for start in starts) / len(thumbs)
    planes = random.normal(size=(SIDE * SIDE, tables * BITS)).astype(np.float32)
    powers = 1 << np.arange(BITS)
    keys = np.concatenate(
        [
            (((_unit(thumbs[start : start + BLOCK]) - mean) @ planes) > 0).reshape(-1, tables, BITS) @ powers
            for start in tqdm(starts, desc="buckets", unit="block")
        ]
    )
    for table in tqdm(range(tables), desc="comparing", unit="table"):
        order = np.argsort(keys[:, table], kind="stable")
        borders = np.flatnonzero(np.diff(keys[order, table])) + 1
        yield from (members for members in np.split(order, borders) if len(members) > 1)


def joined(groups: Sequence[str], pairs: Sequence[NearPair]) -> list[str]:
    """Merge the groups of every pair, under the name that is first in alphabetical order."""
    leader: dict[str, str] = {}

    def find(group: str) -> str:
        while leader.get(group, group) != group:
            group = leader[group]
        return group

    for pair in pairs:
        first, second = sorted((find(groups[pair.first]), find(groups[pair.second])))
        leader[second] = first
    return [find(group) for group in groups]


def largest(groups: Sequence[str]) -> int:
    """Images in the largest group: a large group after merging indicates that different pictures were merged by
    chance."""
    counts: dict[str, int] = defaultdict(int)
    for group in groups:
        counts[group] += 1
    return max(counts.values(), default=0)
