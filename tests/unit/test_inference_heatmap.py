"""The heat map as a layer and laid over a scan; the closed form of Grad-CAM."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from csss.inference.gradcam import ClassifierHead, grad_cam, raw_map
from csss.inference.heatmap import blend, heatmap_png


def grid(hot=(3, 3)):
    cam = np.zeros((7, 7), np.float32)
    cam[hot] = 1
    return cam


def rgba(layer):
    return np.asarray(Image.open(io.BytesIO(layer)).convert("RGBA"))


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(2000, 1000, (256, 128)), (1000, 2000, (128, 256)), (200, 150, (200, 150)), (5000, 1, (256, 1))],
)
def test_the_layer_has_the_scans_proportions(width, height, expected):
    assert Image.open(io.BytesIO(heatmap_png(grid(), width, height))).size == expected


def test_cold_is_bare_and_hot_shows_through():
    pixels = rgba(heatmap_png(grid(), 512, 512))
    assert pixels[5, 5, 3] == 0
    assert pixels[128, 128, 3] == pixels[..., 3].max()
    assert 120 < pixels[128, 128, 3] < 200


def test_alpha_grows_towards_the_hot_place():
    alpha = rgba(heatmap_png(grid(), 512, 512))[128, :129, 3].astype(int)
    assert (np.diff(alpha) >= -1).all()


def test_a_map_of_nothing_is_wholly_transparent():
    assert rgba(heatmap_png(np.zeros((7, 7), np.float32), 200, 200))[..., 3].max() == 0


def test_the_layer_is_small():
    random = np.random.default_rng(3)
    assert max(len(heatmap_png(random.random((7, 7), np.float32), 2000, 2000)) for _ in range(5)) <= 12_000


def test_enlarged_to_the_scan_the_layer_is_as_exact_as_one_of_its_full_size():
    cam = np.random.default_rng(5).random((7, 7), np.float32)
    full = rgba(heatmap_png(cam, 1024, 1024, max_side=1024)).astype(int)
    layer = Image.open(io.BytesIO(heatmap_png(cam, 1024, 1024))).convert("RGBA")
    shown = np.asarray(layer.resize((1024, 1024), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(shown[..., 3] - full[..., 3]).max() <= 6


@pytest.mark.parametrize("cam", [np.zeros(7, np.float32), np.full((7, 7), np.nan, np.float32)])
def test_a_bad_grid_is_refused(cam):
    with pytest.raises(ValueError, match="heat map"):
        heatmap_png(cam, 100, 100)


def test_blend_colours_the_hot_place_and_leaves_the_rest():
    done, scan = cv2.imencode(".png", np.full((900, 1200), 128, np.uint8))
    assert done
    picture = Image.open(io.BytesIO(blend(scan.tobytes(), heatmap_png(grid(), 1200, 900))))
    assert picture.format == "JPEG"
    assert picture.size == (800, 600)
    pixels = np.asarray(picture).astype(int)
    assert abs(pixels[10, 10] - 128).max() < 6
    assert np.ptp(pixels[300, 400]) > 40  # a colour, not a grey


def head(channels=16, hidden=8, classes=3):
    random = np.random.default_rng(4)
    shapes = ((channels, hidden), (hidden,), (hidden, classes), (classes,))
    return ClassifierHead(*(random.normal(size=shape).astype(np.float32) for shape in shapes))


def score(feature_map, layers, index):
    pooled = feature_map.mean(axis=(0, 1))
    hidden = np.maximum(pooled @ layers.hidden_kernel.astype(float) + layers.hidden_bias, 0)
    return float((hidden @ layers.output_kernel + layers.output_bias)[index])


def test_closed_form_equals_numerical_gradients():
    layers, random = head(), np.random.default_rng(5)
    feature_map = random.random((4, 5, 16))
    step = 1e-6
    for index in range(3):
        alpha = np.zeros(16)
        for channel in range(16):
            slopes = []
            for cell in [(0, 0), (3, 4)]:  # constant over space, so two cells will do
                moved = feature_map.copy()
                moved[(*cell, channel)] += step
                slopes.append((score(moved, layers, index) - score(feature_map, layers, index)) / step)
            assert slopes[0] == pytest.approx(slopes[1], abs=1e-6)
            alpha[channel] = slopes[0]
        expected = np.maximum(feature_map @ alpha, 0)
        assert raw_map(feature_map.astype(np.float32), layers, index) == pytest.approx(expected, abs=1e-4)


def test_the_map_is_scaled_to_one_or_all_zero():
    layers = head()
    feature_map = np.random.default_rng(6).random((7, 7, 16), np.float32)
    tops = {float(grad_cam(feature_map, layers, index).max()) for index in range(3)}
    assert tops <= {0.0, 1.0}
    assert grad_cam(np.zeros((7, 7, 16), np.float32), layers, 0).max() == 0


def test_the_head_survives_writing_and_reading():
    layers = head()
    again = ClassifierHead.from_bytes(layers.to_bytes())
    assert (again.hidden_kernel == layers.hidden_kernel).all()
    assert (again.output_bias == layers.output_bias).all()


def test_dense_layers_that_do_not_fit_are_refused():
    good = head()
    bad = ClassifierHead(good.hidden_kernel, good.hidden_bias, good.output_kernel[:-1], good.output_bias)
    with pytest.raises(ValueError, match="do not fit"):
        ClassifierHead.from_bytes(bad.to_bytes())
