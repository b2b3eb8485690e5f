"""A damaged picture is refused, or it shows what it showed before: drawn damages to good files (tests/damages.py).

What a JPEG cannot tell. Its coded data has no checksum. A bit that is part of a number, and not of a code, gives another
number and nothing else; and where a code was hit, decoders are in step again a few blocks later, mostly with as many
blocks as are wanted and nothing left over. Such a file is right by every rule of the format, and no decoder can refuse it
without refusing good ones. So small changes inside coded data are measured here, not forbidden: `MAY_BE_SILENT` says how
many of each are noticed (of 1,200 drawn). Another value in a quantisation table breaks no rule and is hardly ever noticed.
PNG has checksums, and there nothing passes unless somebody makes them right again.

make damages EXAMPLES=5000 draws more, and takes 500 pictures of ../shared/data where they are.
"""

import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from PIL import Image

from csss.scans import decoder
from csss.scans.decoder import DecodedPicture, Verdict
from tests import damages
from tests.damages import MAY_BE_SILENT, NOT_OF_PROGRESSIVE, TOLD, Way, encodings
from tests.odd_files import segments

LONG_RUN = trying.get_current_profile_name() == "fuzz"
EXAMPLES = trying.default.max_examples if LONG_RUN else 200
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REFUSED = {Verdict.DAMAGED, Verdict.UNSUPPORTED, Verdict.TOO_MANY_PIXELS, Verdict.TOO_SMALL, Verdict.TOO_LONG}


def scan_like(width: int = 317, height: int = 251) -> Image.Image:
    """Soft shapes with some noise, and sides that are no multiples of a block."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 120 + 90 * np.sin(x / 31) * np.cos(y / 23) + np.random.default_rng(7).normal(0, 5, (height, width))
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


GOOD = encodings(scan_like())
NAMES = list(GOOD)


@cache
def shown(name: str) -> DecodedPicture:
    return decoder.rewrite(GOOD[name])


def kind(name: str) -> str:
    return name.partition(" ")[0]


def told(name: str) -> list[Way]:
    left_out = NOT_OF_PROGRESSIVE if "progressive" in name else set()
    return [way for way in TOLD[kind(name)] if way not in left_out]


@pytest.mark.parametrize("name", NAMES)
def test_the_undamaged_files_are_taken(name: str) -> None:
    assert shown(name).verdict is Verdict.TAKEN


@trying(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG_RUN,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(
    drawn=st.sampled_from([(name, way) for name in NAMES for way in told(name)]),
    where=st.floats(0, 1, exclude_max=True),
    much=st.floats(0, 1, exclude_max=True),
    value=st.integers(0, 255),
)
def test_a_damaged_picture_is_refused_or_shows_what_it_showed(
    drawn: tuple[str, Way], where: float, much: float, value: int
) -> None:
    name, way = drawn
    found = decoder.rewrite(way(GOOD[name], where, much, value))
    if found.verdict is Verdict.TAKEN:
        assert found.content == shown(name).content, f"{name}: {way.__name__}"
    else:
        assert found.verdict in REFUSED and not found.content


@pytest.mark.parametrize("way", MAY_BE_SILENT, ids=lambda way: way.__name__)
def test_of_small_changes_in_coded_data_at_least_so_many_are_noticed(way: Way) -> None:
    chance = random.Random(way.__name__)
    tries = [
        (name, way(GOOD[name], chance.random(), chance.random(), chance.randrange(256)))
        for name in NAMES * (100 if LONG_RUN else 40)
        if kind(name) == "JPEG"
    ]
    found = [(name, decoder.rewrite(content)) for name, content in tries]
    noticed = [
        each
        for name, each in found
        if each.verdict is not Verdict.TAKEN or each.content == shown(name).content
    ]
    assert len(noticed) >= MAY_BE_SILENT[way] * (0.85 if LONG_RUN else 0.5) * len(tries)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_lacks_only_its_end_mark_is_taken(name: str) -> None:
    end = 2 if kind(name) == "JPEG" else 12
    for lost in range(1, end + 1):
        assert decoder.rewrite(GOOD[name][:-lost]).content == shown(name).content
    assert decoder.rewrite(GOOD[name][: -end - 1]).verdict is Verdict.DAMAGED


@pytest.mark.parametrize("name", [name for name in NAMES if kind(name) == "JPEG"])
def test_every_scan_of_a_jpeg_is_missed(name: str) -> None:
    scans = sum(marker == 0xDA for marker, _, _ in segments(GOOD[name]))
    assert scans == (1 if name != "JPEG progressive" else 10)
    for number in range(scans):
        without = damages.scan_lost(GOOD[name], number / scans, 0, 0)
        assert decoder.rewrite(without).verdict is Verdict.DAMAGED, number


def test_no_good_picture_is_refused() -> None:
    """500 real scans in five encodings on the long run, a few of them otherwise."""
    if not DATA.is_dir():
        pytest.skip("the pictures of ../shared/data are not here")
    found = sorted(path for path in DATA.glob("*/*") if path.suffix in {".jpg", ".jpeg", ".png"})
    for path in random.Random(10).sample(found, 500 if LONG_RUN else 8):
        for name, content in {
            "as it is": path.read_bytes(),
            **encodings(Image.open(path).convert("L")),
        }.items():
            assert decoder.rewrite(content).verdict is Verdict.TAKEN, f"{path.name}: {name}"
