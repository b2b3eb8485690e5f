"""Taking in a picture: what is cleaned, and that the pixels stay what they were. What is refused: test_corpus.py."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from csss.scans import decoder
from csss.scans.decoder import Verdict
from csss.scans.intake import take_in
from tests.factories import picture

LIMIT = 10_000_000
SECRET_WORDS = b"Mrs Example of 12 Sample Street"


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


# What is damaged


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
    """A damaged file is taken or refused; nothing else may come out of the decoder (here without its child: 300 files)."""
    content = bytearray(SAMPLES[kind])
    for place, value in wounds:
        content[int(place * len(content))] = value
    found = decoder.unpack(decoder.pack(decoder.rewrite(bytes(content))))
    assert found.verdict in Verdict
    assert bool(found.content) == (found.verdict is Verdict.TAKEN)


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
@pytest.mark.parametrize("transparency", [0, bytes([0, *[255] * 63])])
def test_a_transparent_colour_of_a_palette_lies_on_black(transparency: object) -> None:
    image = colourful().quantize(64)
    content = saved(image, "PNG", transparency=transparency)
    found = Image.open(io.BytesIO(take_in(content, limit=LIMIT).content))
    expected = np.asarray(image.convert("RGB")) * (np.asarray(image) != 0)[:, :, np.newaxis]
    assert (found.mode, found.info) == ("RGB", {})
    assert np.array_equal(np.asarray(found), expected)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sixteen", "alpha", "printing", "progressive"])
def test_the_largest_picture_that_may_be_sent_can_be_opened_within_the_limits(name: str) -> None:
    size, exif = (6400, 6240), Image.Exif()
    exif[0x0112] = 6
    if name == "sixteen":
        content = saved(Image.new("I;16", size, 300), "PNG")
    elif name == "progressive":
        content = saved(Image.new("RGB", size, "grey"), "JPEG", progressive=True, subsampling=0)
    elif name == "alpha":
        content = saved(Image.new("RGBA", size, "grey"), "PNG", exif=exif)
    else:
        content = saved(Image.new("CMYK", size, (1, 2, 3, 4)), "JPEG", progressive=True, exif=exif)
    assert take_in(content, limit=LIMIT).width == (6240 if name in {"alpha", "printing"} else 6400)


SAMPLES = {"JPEG": picture(128, 128, "JPEG"), "PNG": picture(96, 96), "EXIF": burdened("JPEG")}
