"""Files that are made to cost much are refused before they do; large pictures are told apart from damaged ones."""

import struct
import zlib

import pytest

from csss.confinement.parent import Exhausted, run_forked
from csss.errors import Invalid
from csss.scans import decoder, intake, jpeg_structure, png_structure
from csss.scans.png_structure import SIGNATURE
from tests.corpus import LIMIT
from tests.factories import picture
from tests.odd_files import chunk

JPEG, PNG = picture(128, 128, "JPEG"), picture(128, 128)
COMMENT = b"\xff\xfe\0\2"
SIDE = 6320  # nearly 40 million pixels


def refusal(content: bytes) -> str:
    with pytest.raises(Invalid) as refused:
        intake.take_in(content, limit=LIMIT)
    assert set(refused.value.errors) == {"file"}
    return refused.value.errors["file"]


def sixteen_bits(colour: int, channels: int) -> bytes:
    """A white PNG of nearly 40 million pixels."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\xff" * (2 * channels * SIDE)
    packed = b"".join(packer.compress(row) for _ in range(SIDE)) + packer.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def progressive(scans: int, side: int) -> bytes:
    """A JPEG that brings one coefficient after another, bit by bit, in as many scans; all its blocks are empty."""
    parts = [
        b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64,
        b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", side, side) + b"\1\1\x11\0",
        b"\xff\xc4\0\x14\0\1" + bytes(16),
        b"\xff\xc4\0\x14\x10\1"
        + bytes(15)
        + b"\x70",  # one code: the band of the following 128 blocks is empty
    ]
    wanted = [(at, low) for at in range(64) for low in range(9, -1, -1)][:scans]
    for at, low in wanted:
        high = 0 if low == 9 else low + 1
        data = bytes(32) if at == 0 else bytes(3)
        parts.append(b"\xff\xda\0\x08\1\1\0" + bytes([at, at, high << 4 | low]) + data)
    return b"".join(parts) + b"\xff\xd9"


@pytest.mark.parametrize("number", [10_000, 2_000_000])
def test_a_jpeg_of_ever_more_empty_segments_is_refused_at_once(number: int) -> None:
    with pytest.raises(jpeg_structure.BrokenJpeg, match="more segments"):
        jpeg_structure.checked(JPEG[:2] + COMMENT * number + JPEG[2:])
    assert "cannot be read to its end" in refusal(JPEG[:2] + COMMENT * number + JPEG[2:])


def test_a_large_jpeg_of_ever_more_scans_is_refused_at_once() -> None:
    with pytest.raises(jpeg_structure.Costly, match="more scans"):
        jpeg_structure.checked(progressive(640, 6000))
    jpeg_structure.checked(progressive(640, 600))


def test_a_png_of_ever_more_chunks_is_refused_at_once() -> None:
    place = PNG.index(b"IDAT") - 4
    with pytest.raises(png_structure.BrokenPng, match="more chunks"):
        png_structure.checked(PNG[:place] + chunk(b"tEXt", b"k\0") * 400_000 + PNG[place:])


def test_a_jpeg_with_long_profiles_and_comments_is_taken() -> None:
    profile = b"\xff\xe2\xff\xff" + bytes(65_533)
    content = JPEG[:2] + profile * 140 + COMMENT * 100 + JPEG[2:]
    assert intake.take_in(content, limit=LIMIT).width == 128


PATIENT = intake.DECODER._replace(seconds=300)  # memory is what counts here, however busy the machine is


@pytest.mark.slow
def test_the_largest_picture_of_sixteen_bits_in_three_colours_can_be_opened() -> None:
    answer = run_forked(PATIENT, decoder.TAKE_IN + sixteen_bits(2, 3))
    assert decoder.unpack(answer)[:3] == (decoder.Verdict.TAKEN, SIDE, SIDE)


@pytest.mark.slow
@pytest.mark.parametrize(("colour", "channels"), [(6, 4), (4, 2)])
def test_a_whole_picture_that_takes_too_much_memory_is_not_called_damaged(colour: int, channels: int) -> None:
    with pytest.raises(Exhausted, match="out of memory"):
        run_forked(PATIENT, decoder.TAKE_IN + sixteen_bits(colour, channels))


def test_sixteen_bits_that_are_damaged_are_still_called_damaged() -> None:
    row = b"\7" + bytes(2 * 128)  # there is no such filter
    head = struct.pack(">IIBBBBB", 128, 128, 16, 0, 0, 0, 0)
    content = (
        SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * 128)) + chunk(b"IEND", b"")
    )
    assert decoder.rewrite(content).verdict is decoder.Verdict.DAMAGED
