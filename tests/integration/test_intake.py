"""Taking in a picture: what is refused, what is cleaned, and that the pixels stay what they were."""

import io
import json
import os
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from csss.errors import Invalid
from csss.scans.intake import Intake, take_in
from tests.factories import picture

LIMIT = 10_000_000
ROOT = Path(__file__).resolve().parents[2]
SECRET_WORDS = b"Mrs Example of 12 Sample Street"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_claiming(width: int, height: int, rows: bytes = b"") -> bytes:
    """A small file whose header says it is huge."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def black_rows(width: int, height: int) -> bytes:
    """All rows of a black grey picture, compressed without ever being held in memory."""
    packer, out = zlib.compressobj(1), []
    block = bytes(width + 1) * 100
    for _ in range(height // 100):
        out.append(packer.compress(block))
    return b"".join([*out, packer.flush()])


def refusal(content: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(Invalid) as refused:
        take_in(content, limit=limit)
    assert set(refused.value.errors) == {"file"}
    return refused.value.errors["file"]


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def saved(image: Image.Image, kind: str, **more: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **more)
    return target.getvalue()


def colourful(width: int = 200, height: int = 160) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    channels = [128 + 90 * np.sin(x / 19), 128 + 90 * np.cos(y / 23), (x + y) % 256 * 0.6]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


# What is refused


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "The file is empty. Choose the picture again.", id="empty"),
        pytest.param(
            b"Dear doctor, this is my scan",
            "This is not a JPEG or PNG picture, whatever its name says.",
            id="text",
        ),
        pytest.param(b"%PDF-1.7\n", "This is not a JPEG or PNG picture, whatever its name says.", id="pdf"),
        pytest.param(
            b"GIF89a" + bytes(100), "This is not a JPEG or PNG picture, whatever its name says.", id="gif"
        ),
        pytest.param(
            picture() + bytes(11_000_000), "The file has 11.1 MB; at most 10 MB can be taken.", id="11 MB"
        ),
        pytest.param(
            png_claiming(30_000, 30_000),
            "The picture has too many pixels; at most 40 million can be taken.",
            id="30,000 x 30,000",
        ),
        pytest.param(
            picture(width=63, height=300),
            "The picture has 63 × 300 pixels; a scan needs at least 64 on each side.",
            id="too small",
        ),
    ],
)
def test_what_is_no_usable_picture_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    assert refusal(content) == sentence


DAMAGED = "The picture cannot be read to its end. It may be damaged or cut off; save it again."


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.97])
def test_a_file_that_is_cut_off_is_refused(kind: str, part: float) -> None:
    whole = picture(400, 400, kind)
    assert refusal(whole[: int(len(whole) * part)]) == DAMAGED


def test_a_png_that_is_cut_off_between_two_chunks_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (600, 600), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), "PNG")
    second = whole.index(b"IDAT", whole.index(b"IDAT") + 4) - 4
    assert refusal(whole[:second]) == DAMAGED


def test_a_broken_checksum_is_refused() -> None:
    content = bytearray(picture(300, 300))
    content[len(content) // 2] ^= 0xFF
    assert refusal(bytes(content)) == DAMAGED


@trying(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "EXIF"]),
    wounds=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
)
def test_no_damage_whatever_brings_it_down(kind: str, wounds: list[tuple[float, int]]) -> None:
    """A damaged file is taken or refused with a sentence; nothing else may come out of the decoder."""
    content = bytearray(SAMPLES[kind])
    for place, value in wounds:
        content[int(place * len(content))] = value
    try:
        assert isinstance(take_in(bytes(content), limit=LIMIT), Intake)
    except Invalid as refused:
        assert set(refused.errors) == {"file"}


# What is taken, and what it becomes


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_pixel_of_a_png_is_kept(mode: str) -> None:
    image = colourful().convert(mode)
    taken = take_in(saved(image, "PNG"), limit=LIMIT)
    assert (taken.media_type, taken.suffix, taken.width, taken.height) == ("image/png", "png", 200, 160)
    assert np.array_equal(pixels(taken.content), np.asarray(image))


SAVED_AS = [{}, {"quality": 35}, {"quality": 98, "subsampling": 0}, {"progressive": True}, {"optimize": True}]


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("more", SAVED_AS, ids=["usual", "coarse", "fine", "progressive", "optimised"])
def test_a_jpeg_keeps_its_greys_within_two_levels(mode: str, more: dict[str, object]) -> None:
    content = saved(colourful().convert("L").convert(mode), "JPEG", **more)
    taken = take_in(content, limit=LIMIT)
    assert (taken.media_type, taken.suffix) == ("image/jpeg", "jpg")
    assert np.abs(pixels(taken.content) - pixels(content)).max() <= 2


@pytest.mark.parametrize("more", SAVED_AS, ids=["usual", "coarse", "fine", "progressive", "optimised"])
def test_a_jpeg_keeps_its_colours(more: dict[str, object]) -> None:
    """Where a glaring colour is cut off at black or white, halved colour resolution may shift single pixels more."""
    content = saved(colourful(), "JPEG", **more)
    assert_alike(take_in(content, limit=LIMIT).content, content)


def assert_alike(one: bytes, other: bytes) -> None:
    difference = np.abs(pixels(one) - pixels(other))
    assert difference.mean() < 0.2
    assert (difference <= 2).mean() > 0.98


def test_a_real_size_scan_keeps_its_pixels_within_two_grey_levels() -> None:
    noisy = pixels(picture(1024, 1024)) + np.random.default_rng(42).normal(0, 6, (1024, 1024))
    content = saved(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), "JPEG", quality=90)
    assert np.abs(pixels(take_in(content, limit=LIMIT).content) - pixels(content)).max() <= 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_taken_sideways_stands_upright(kind: str, orientation: int) -> None:
    image = colourful()
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(image, kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    taken = take_in(content, limit=LIMIT)
    assert (taken.width, taken.height) == upright.size
    found = Image.open(io.BytesIO(taken.content))
    assert found.size == upright.size
    assert found.getexif().get(0x0112) is None
    assert np.abs(np.asarray(found).astype(int) - np.asarray(upright).astype(int)).mean() < 1.5


def test_an_orientation_that_does_not_exist_changes_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    content = saved(colourful(), "JPEG", exif=exif)
    assert_alike(take_in(content, limit=LIMIT).content, content)


def burdened(kind: str) -> bytes:
    """A picture that carries everything a camera or a program may write beside the pixels."""
    exif = Image.Exif()
    exif[0x010E] = SECRET_WORDS.decode()
    exif.get_ifd(0x8825)[2] = (13.0, 5.0, 1.0)  # GPS latitude
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, object] = {"exif": exif, "icc_profile": profile, "dpi": (300, 300)}
    if kind == "PNG":
        words = PngInfo()
        words.add_text("Patient", SECRET_WORDS.decode())
        words.add_itxt("Address", SECRET_WORDS.decode(), zip=True)
        more["pnginfo"] = words
    else:
        more |= {"comment": SECRET_WORDS, "xmp": b"<x:xmpmeta>" + SECRET_WORDS + b"</x:xmpmeta>"}
    return saved(colourful(), kind, **more)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_nothing_but_pixels_is_stored(kind: str) -> None:
    content = burdened(kind)
    assert SECRET_WORDS in content  # so that the test proves something
    stored = take_in(content, limit=LIMIT).content
    for trace in (
        SECRET_WORDS,
        b"Exif",
        b"ICC",
        b"iCCP",
        b"eXIf",
        b"tEXt",
        b"iTXt",
        b"zTXt",
        b"pHYs",
        b"xmp",
    ):
        assert trace not in stored
    found = Image.open(io.BytesIO(stored))
    found.load()
    assert set(found.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert dict(found.getexif()) == {}


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_is_appended_to_a_picture_is_not_stored(kind: str) -> None:
    script = b"PK\x03\x04<script>alert(1)</script><?php system($_GET[0]); ?>"
    stored = take_in(picture(kind=kind) + script, limit=LIMIT).content
    assert b"script" not in stored and b"php" not in stored


def test_sixteen_bits_become_eight_from_black_to_the_pictures_own_white() -> None:
    twelve_bits = np.linspace(0, 4095, 200 * 160).reshape(160, 200).astype(np.uint16)
    found = pixels(take_in(saved(Image.fromarray(twelve_bits), "PNG"), limit=LIMIT).content)
    assert (found.min(), found.max()) == (0, 255)
    assert np.abs(found - twelve_bits / 4095 * 255).max() < 1.01


def test_a_black_picture_of_sixteen_bits_stays_black() -> None:
    black = Image.fromarray(np.zeros((100, 100), np.uint16))
    assert pixels(take_in(saved(black, "PNG"), limit=LIMIT).content).max() == 0


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        pytest.param(colourful().quantize(64), "RGB", id="palette"),
        pytest.param(colourful().convert("1"), "L", id="one bit"),
        pytest.param(colourful().convert("RGBA"), "RGB", id="alpha"),
        pytest.param(colourful().convert("L").convert("LA"), "L", id="grey with alpha"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_every_sort_of_png_becomes_grey_or_rgb(image: Image.Image, mode: str) -> None:
    found = Image.open(io.BytesIO(take_in(saved(image, "PNG"), limit=LIMIT).content))
    assert found.mode == mode
    assert np.array_equal(np.asarray(found), np.asarray(image.convert(mode)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transparency", [0, bytes(range(64))])
def test_transparency_of_a_palette_is_dropped(transparency: object) -> None:
    content = saved(colourful().quantize(64), "PNG", transparency=transparency)
    found = Image.open(io.BytesIO(take_in(content, limit=LIMIT).content))
    assert (found.mode, found.info) == ("RGB", {})


def test_a_jpeg_for_printing_becomes_rgb() -> None:
    content = saved(colourful().convert("CMYK"), "JPEG", quality=95)
    found = Image.open(io.BytesIO(take_in(content, limit=LIMIT).content))
    assert found.mode == "RGB"
    assert np.abs(np.asarray(found).astype(int) - np.asarray(colourful()).astype(int)).mean() < 3


def test_of_a_photograph_with_a_second_picture_in_it_the_first_is_taken() -> None:
    """Phones write these (MPO): a JPEG, and another one behind it."""
    content = saved(colourful(), "MPO", save_all=True, append_images=[Image.new("RGB", (200, 160), "red")])
    taken = take_in(content, limit=LIMIT)
    assert taken.media_type == "image/jpeg"
    found = Image.open(io.BytesIO(taken.content))
    assert found.format == "JPEG" and getattr(found, "n_frames", 1) == 1
    assert_alike(taken.content, content)


def test_of_an_animated_png_one_picture_is_stored() -> None:
    frames = [Image.new("L", (100, 100), grey) for grey in (200, 100, 50)]
    content = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert b"acTL" in content
    stored = take_in(content, limit=LIMIT).content
    assert b"acTL" not in stored and b"fdAT" not in stored
    assert set(np.unique(pixels(stored))) == {200}


def test_a_stored_picture_is_taken_in_again_unchanged() -> None:
    once = take_in(picture(kind="PNG"), limit=LIMIT)
    assert take_in(once.content, limit=LIMIT).sha256 == once.sha256


# Memory


MEASURE = r"""
    import json, re, sys
    from pathlib import Path
    from csss.errors import Invalid
    from csss.scans.intake import take_in
    said = []
    for name in sys.argv[1:]:
        try:
            said.append(take_in(Path(name).read_bytes(), limit=10_000_000).width)
        except Invalid as refused:
            said.append(str(refused))
    # The most this process ever held; getrusage would count the test's own memory, which the fork inherits.
    held = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
    print(json.dumps({"said": said, "mb": held / 1000}))
"""


def memory_of(*files: Path) -> tuple[list[object], float]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told = json.loads(done.stdout)
    return told["said"], told["mb"]


def test_hostile_files_take_little_memory(tmp_path: Path) -> None:
    whole = png_claiming(30_000, 30_000, black_rows(30_000, 30_000))
    assert len(whole) < LIMIT
    hostile = {
        "bomb.png": whole,
        "text.png": b"not a picture",
        "cut.jpg": picture(2000, 2000, "JPEG")[:50_000],
        "large.png": picture() + bytes(11_000_000),
        "empty.png": b"",
        "zipped-text.png": picture()[:-12] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(90_000_000), 9)),
    }
    for name, content in hostile.items():
        (tmp_path / name).write_bytes(content)
    said, megabytes = memory_of(*(tmp_path / name for name in hostile))
    assert all(isinstance(sentence, str) for sentence in said)
    assert megabytes < 250


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sixteen", "alpha", "palette", "progressive", "turned"])
def test_the_largest_picture_that_is_taken_stays_below_500_mb(tmp_path: Path, name: str) -> None:
    size = (6400, 6240)
    path = tmp_path / name
    if name == "sixteen":
        Image.new("I;16", size, 300).save(path, "PNG")
    elif name == "alpha":
        Image.new("RGBA", size, "grey").save(path, "PNG")
    elif name == "palette":
        Image.new("P", size, 3).save(path, "PNG")
    elif name == "progressive":
        Image.new("RGB", size, "grey").save(path, "JPEG", progressive=True, subsampling=0)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", size, "grey").save(path, "JPEG", exif=exif)
    said, megabytes = memory_of(path)
    assert said == [6240 if name == "turned" else 6400]
    assert megabytes < 500


SAMPLES = {"JPEG": picture(128, 128, "JPEG"), "PNG": picture(96, 96), "EXIF": burdened("JPEG")}
