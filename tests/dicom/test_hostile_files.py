"""Hostile DICOM files: each is refused with a sentence within bounds of memory and time, or what it holds is inert."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from csss.confinement.parent import Room
from csss.dicom import limits, reading
from csss.dicom.problems import Problem
from csss.dicom.reading import READER, RefusedDicom
from csss.dicom.sentences import sentence_for
from tests.dicom import made
from tests.dicom.files import sample
from tests.unit.test_confined import children

WRONG_LENGTH = (
    "The file holds more or less of its picture than it says ({} instead of {}). Copy or export it again."
)
TOO_DEEP = (
    "The file holds lists within lists, more than 48 deep, and cannot be read safely. Export it again, or ask the maker of "
    "the device."
)
TOO_MANY = (
    "The file holds far more entries than a picture needs, and cannot be read safely. Export single pictures."
)
PIXELS = "The picture has {} × {} pixels; at most 40 million can be taken. Export it smaller."
FRAMES = "The file has {} frames; at most 5000 frames, and 1000 MB of pixels, can be taken. Export a part of the series."
CUT_OFF = "The file is cut off: its end is missing. Copy or export it again, and send the new one."
DAMAGED = "The file is damaged: what it says of itself does not fit together. Export it again, and send the new one."
NOT_DICOM = "This is no DICOM file, whatever its name says. Export the picture again, or send a JPEG or PNG."

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "300 MB, deflated": (
        made.deflate_bomb,
        "The file is packed, and unpacks to more than 128 MB. Export it again without packing (transfer syntax “Explicit VR "
        "Little Endian”).",
    ),
    "46,341² pixels in 10 kB": (made.huge, PIXELS.format(46341, 46341)),
    "65,535² pixels of 16 bits": (lambda: made.huge(65535, 65535, bits=16), PIXELS.format(65535, 65535)),
    "a million frames": (
        lambda: made.huge(64, 64, frames=1_000_000),
        FRAMES.format(1_000_000),
    ),
    "frames without end": (lambda: made.huge(64, 64, frames=10**14), FRAMES.format(10**14)),
    "10,000 sequences in each other": (made.nested, TOO_DEEP),
    "400 sequences of defined length in each other": (lambda: made.nested(400, defined=True), TOO_DEEP),
    "a million empty elements": (lambda: made.many_elements(1_000_000), TOO_MANY),
    "a million empty fragments": (lambda: made.many_fragments(1_000_000), TOO_MANY),
    "a large JPEG in a small picture": (
        lambda: made.huge_jpeg(65_500, 65_500),
        "The file says that its picture has 64 × 64 pixels, but 65500 × 65500 are inside. Export it again.",
    ),
    "a byte too few": (lambda: made.other_length(-1), WRONG_LENGTH.format(4095, 4096)),
    "half the pixels": (lambda: made.other_length(-2048), WRONG_LENGTH.format(2048, 4096)),
    "twice the pixels": (lambda: made.other_length(4096), WRONG_LENGTH.format(8192, 4096)),
    "a length beyond the end": (made.length_beyond_the_end, CUT_OFF),
    "a length of four gigabytes": (lambda: made.meta() + made.element(0x00081030, b"UT", b"", 0xFFFFFFF0), CUT_OFF),
    "a picture of no rows": (lambda: made.huge(0, 64), DAMAGED),
    "only a preamble": (lambda: bytes(128) + b"DICM", CUT_OFF),
    "nothing": (lambda: b"", NOT_DICOM),
    "zeros": (lambda: bytes(100_000), NOT_DICOM),
    "a page": (lambda: b"<!doctype html><script>alert(1)</script>" * 10, NOT_DICOM),
    "a syntax of nobody": (
        lambda: made.meta("1.2.3.4.5") + made.header(64, 64) + made.element(0x7FE00010, b"OB", bytes(4096)),
        "The picture is compressed in a way that cannot be read here (1.2.3.4.5). Export it uncompressed, or as JPEG or "
        "JPEG 2000 within DICOM.",
    ),
    "a video": (
        lambda: made.many_fragments(2).replace(b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.102"[:22]),
        "The file is a video, which cannot be read here. Export its frames as single pictures or as a series.",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_within_bounds(name: str) -> None:
    make, sentence = HOSTILE[name]
    content, before = make(), time.monotonic()
    with pytest.raises(RefusedDicom) as refusal:
        reading.picture_of(content)
    assert str(refusal.value) == sentence
    assert refusal.value.problem is not None, "it was refused before a limit of the sandbox was reached"
    assert time.monotonic() - before < 20


@pytest.mark.usefixtures("forked")
def test_runs_of_one_byte_are_unpacked_to_the_size_of_the_picture_only() -> None:
    values = reading.stored_values(made.rle_bomb()).values
    assert values.shape == (64, 64) and not values.any()


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    "text", [made.MARKUP, made.PATH, "C:\\temp\\x", "%s%n{0}", "Robert'); DROP TABLE--", "\u202egnp.exe"]
)
def test_texts_of_tags_are_data_and_nothing_else(text: str) -> None:
    """A backslash separates values in DICOM, and a sign that turns the direction of writing is removed."""
    facts = reading.facts_of(
        made.grey(PatientID=text[:60], StudyDescription=text[:60], PatientName=f"{text}^{text}"[:60])
    )
    assert facts.study.study_description == text.split("\\", maxsplit=1)[0].replace("\u202e", "")
    assert facts.patient.patient_id == text.split("\\", maxsplit=1)[0].replace("\u202e", "")


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    "text", [made.PATH, "1.2.3/../4", "1.2.3<b>", "1..2", "1.02", "1." * 40 + "1", "9.1.2", "1.2.3 4"]
)
def test_what_is_no_uid_counts_as_none(text: str) -> None:
    facts = reading.facts_of(made.grey(StudyInstanceUID=text))
    assert facts.study.study_uid == ""


def test_the_sandbox_reads_a_file_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once through a new interpreter, sealed, as the web process does it."""
    before = children()
    alone = Room(READER, at_once=1, patience=20)
    monkeypatch.setattr(reading, "_room", alone)
    monkeypatch.setattr(reading, "_forks", False)
    try:
        assert reading.facts_of(made.grey()).patient.patient_id == "MRN-4711"
        assert reading.stored_values(sample("JPEG-lossy.dcm")).values.max() == 264
        assert reading.stored_values(sample("MR_small_jpeg_ls_lossless.dcm")).values.shape == (64, 64)
        assert str(reading.facts_of(sample("chrKoreanMulti.dcm")).patient.name) == "김희중"
        assert reading.picture_of(sample("693_J2KR.dcm")).width == 512
    finally:
        alone.close()
    assert children() == before


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("limit", [{"largest_answer": 100_000}, {"seconds": 0.05}], ids=str)
def test_a_file_that_reaches_a_limit_of_the_sandbox_is_refused(
    limit: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READER", READER._replace(**limit))  # type: ignore[arg-type]
    _refused_for_its_cost()


def test_a_file_that_wants_more_memory_than_there_is_for_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a new interpreter: a fork may find memory that its parent has given back."""
    small = Room(READER._replace(memory=10_000_000), at_once=1, patience=20)
    monkeypatch.setattr(reading, "_room", small)
    monkeypatch.setattr(reading, "_forks", False)
    try:
        _refused_for_its_cost("RG1_J2KR.dcm")
    finally:
        small.close()


def _refused_for_its_cost(name: str = "MR2_J2KR.dcm") -> None:
    with pytest.raises(RefusedDicom) as refusal:
        reading.stored_values(sample(name))
    assert refusal.value.problem is None
    assert str(refusal.value) == (
        "The file takes too much memory or time to open. Export it again, uncompressed, and send the new one."
    )


def test_a_web_process_loads_neither_pydicom_nor_a_decoder() -> None:
    code = (
        "import sys; import csss.dicom.reading, csss.dicom.media; "
        "print(sorted({'pydicom', 'gdcm', 'jpeg_ls', 'openjpeg', '_gdcm'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def test_every_problem_has_a_sentence_even_without_numbers() -> None:
    for problem in Problem:
        sentence = sentence_for(problem, {})
        assert sentence.endswith(".") and len(sentence.split(".")) >= 2, problem


def test_a_file_above_the_limit_is_not_even_sent_to_the_child() -> None:
    with pytest.raises(RefusedDicom):
        reading.facts_of(bytes(limits.MAX_BYTES + 1))
