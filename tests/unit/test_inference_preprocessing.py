"""One way from bytes to the network's input, for every kind of picture that may come."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from csss.inference.labels import RESIZE_METHODS
from csss.inference.preprocessing import RESIZE, UndecodableImage, decode, preprocess


def png(array):
    done, encoded = cv2.imencode(".png", array)
    assert done
    return encoded.tobytes()


def test_every_named_resize_method_exists():
    assert tuple(RESIZE) == RESIZE_METHODS


def test_colours_arrive_as_red_green_blue():
    rgb = decode(png(np.full((4, 6, 3), (10, 20, 30), np.uint8)))  # OpenCV writes blue, green, red
    assert rgb.shape == (4, 6, 3)
    assert rgb[0, 0].tolist() == [30, 20, 10]


def test_grey_becomes_three_equal_channels():
    rgb = decode(png(np.arange(48, dtype=np.uint8).reshape(6, 8)))
    assert rgb.shape == (6, 8, 3)
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 1] == rgb[..., 2]).all()


def test_alpha_is_dropped():
    picture = np.full((5, 5, 4), (10, 20, 30, 128), np.uint8)
    assert decode(png(picture))[2, 2].tolist() == [30, 20, 10]


def test_sixteen_bits_become_eight():
    rgb = decode(png(np.full((5, 5), 200 * 256, np.uint16)))
    assert rgb.dtype == np.uint8
    assert abs(int(rgb[0, 0, 0]) - 200) <= 1


def test_orientation_left_in_the_file_is_applied_once():
    picture = Image.fromarray(np.tile(np.array([[0], [255]], np.uint8).repeat(20, axis=0), (1, 60)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    stream = io.BytesIO()
    picture.save(stream, "JPEG", exif=exif, quality=95)
    rgb = decode(stream.getvalue())
    assert rgb.shape == (60, 40, 3)
    assert rgb[30, 35, 0] < 50 < 200 < rgb[30, 5, 0]


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_bad_bytes_are_named(data):
    with pytest.raises(UndecodableImage, match=r"\.$"):
        decode(data)


@pytest.mark.parametrize("method", RESIZE_METHODS)
@pytest.mark.parametrize("size", [(64, 64), (448, 448), (1000, 30), (30, 1000), (224, 100)])
def test_any_size_becomes_the_input_size(method, size):
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    array = preprocess(picture, 224, 200, method)
    assert array.shape == (200, 224, 3)
    assert array.dtype == np.float32
    assert 0 <= array.min() <= array.max() <= 1


def test_white_is_one_and_black_is_zero():
    assert preprocess(np.full((9, 9, 3), 255, np.uint8), 4, 4, "area").max() == pytest.approx(1)
    assert preprocess(np.zeros((9, 9, 3), np.uint8), 4, 4, "area").max() == 0


def test_area_averages_what_bilinear_skips():
    fine = np.zeros((800, 800, 3), np.uint8)
    fine[::4] = 255  # a quarter of all lines is white
    assert preprocess(fine, 100, 100, "area").std() < 0.01
    assert preprocess(fine, 100, 100, "area").mean() == pytest.approx(0.25, abs=0.01)
    assert abs(preprocess(fine, 100, 100, "bilinear").mean() - 0.25) > 0.1


def test_area_enlarges_smoothly():
    small = np.zeros((2, 2, 3), np.uint8)
    small[:, 1] = 255
    assert len(np.unique(preprocess(small, 64, 64, "area"))) > 20  # nearest neighbour would give two


def test_bytes_and_array_give_the_same():
    picture = np.random.default_rng(2).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    assert (
        preprocess(png(picture[..., ::-1]), 224, 224, "area") == preprocess(picture, 224, 224, "area")
    ).all()
