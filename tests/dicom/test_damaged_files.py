"""Whatever bytes of a DICOM file are damaged: it is read, or refused with a sentence. Only the child may die of it.

The files are small, so the child gets less memory and time than in life, and a picture that would unpack to more is seen.
`make damages EXAMPLES=20000` draws more.
"""

import time
from functools import cache

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from csss.dicom import reading
from csss.dicom.deidentify import deidentified
from csss.dicom.problems import Unreadable
from csss.dicom.pseudonyms import Rules
from csss.dicom.reading import READER, RefusedDicom
from tests.dicom import made
from tests.dicom.files import sample

LONG_RUN = trying.get_current_profile_name() == "fuzz"
EXAMPLES = trying.default.max_examples if LONG_RUN else 150
SECONDS = 10
FILES = (
    "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "JPEG-lossy.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm",
    "image_dfl.dcm", "emri_small_RLE.dcm", "chrKoreanMulti.dcm", "SC_rgb_rle_2frame.dcm",
)  # fmt: skip
trials = trying(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG_RUN,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@cache
def good(name: str) -> bytes:
    return made.grey() if name == "made" else sample(name)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A few bytes changed, most of them in the header; sometimes cut, taken out, or put in twice."""
    content = bytearray(good(draw(st.sampled_from(("made", *FILES)))))
    for _ in range(draw(st.integers(1, 8))):
        most = len(content) if draw(st.booleans()) else min(len(content), 2_000)
        at = draw(st.integers(0, most - 1))
        content[at] = draw(st.sampled_from((0, 0xFF, 0x7F, 0xFE)) | st.integers(0, 255))
    way = draw(st.sampled_from(("as it is", "as it is", "cut", "taken out", "twice")))
    at, length = draw(st.integers(0, len(content) - 1)), draw(st.integers(1, 600))
    if way == "cut":
        del content[at:]
    elif way == "taken out":
        del content[at : at + length]
    elif way == "twice":
        content[at:at] = content[at : at + length]
    return bytes(content)


@pytest.fixture
def strict(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = READER._replace(memory=300_000_000, cpu_seconds=SECONDS, seconds=2.0 * SECONDS)
    monkeypatch.setattr(reading, "READER", limits)


@pytest.mark.usefixtures("strict")
@trials
@given(content=damaged(), what=st.sampled_from(("facts", "values", "picture")))
def test_a_damaged_file_is_read_or_refused(content: bytes, what: str) -> None:
    before = time.monotonic()
    try:
        if what == "facts":
            reading.facts_of(content)
        elif what == "values":
            reading.stored_values(content)
        else:
            reading.picture_of(content)
    except RefusedDicom as refusal:
        assert str(refusal).endswith(".")
    assert time.monotonic() - before < 2.5 * SECONDS


@pytest.mark.usefixtures("forked")
@trials
@given(content=damaged())
def test_a_damaged_file_is_never_given_out_with_the_patients_name(content: bytes) -> None:
    """De-identified, or refused; nothing in between."""
    try:
        result = deidentified(content, Rules(key="k" * 32, subject="S-1"))
    except Unreadable:
        return
    for word in (b"CompressedSamples", b"Krishnan", b"MRN-4711"):
        assert word not in result.content
