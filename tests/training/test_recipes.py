"""Sampling, early stopping, and the trained part of the network against the whole."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

import keras

from csss.inference.scaling import calibrate
from training.data.dataset import Image
from training.data.findings import NAMES, UNKNOWN
from training.fitting import network
from training.fitting.calibrate import fit_temperature, fit_with_bias, with_bias
from training.fitting.epochs import best_epoch, sampling_order, stalled
from training.recipes import CSSS, PAPER, recipe_of

pytestmark = pytest.mark.training


def test_sampling_evens_out_the_strata():
    def image(label, group):
        return Image(f"{group}.jpg", label, "source", group, 256)

    images = [image("COVID", f"c{n}") for n in range(900)] + [image("Sick", f"acdc-{n}") for n in range(100)]
    once = sampling_order(images, 0.0, np.random.default_rng(0))
    assert sorted(once) == list(range(1000))
    for balance, wanted in ((0.5, 0.25), (1.0, 0.5)):
        order = sampling_order(images, balance, np.random.default_rng(0))
        assert abs(len(order) - 1000) < 60
        assert abs((order >= 900).mean() - wanted) < 0.03


def test_the_best_epoch_is_of_the_monitored_figure():
    history = [{"val_loss": 0.5, "val_macro_f1": 0.6}, {"val_loss": 0.7, "val_macro_f1": 0.8}] * 2
    assert best_epoch(history, PAPER) == 1
    by_f1 = replace(PAPER, monitor="val_macro_f1")
    assert best_epoch(history, by_f1) == 2
    assert stalled(history, PAPER)
    assert not stalled(history, by_f1)
    assert recipe_of("csss-12") is CSSS


def test_bias_and_temperature_are_found_again():
    random = np.random.default_rng(0)
    right = random.dirichlet([0.5, 0.7, 0.9], size=20000)
    truth = (random.random((len(right), 1)) > right.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    wrong = np.exp(1.6 * np.log(np.maximum(right, 1e-30)) + [0.8, 0, -0.8])
    wrong /= wrong.sum(axis=1, keepdims=True)
    temperature, bias = fit_with_bias(truth, wrong)
    assert abs(temperature - 1.6) < 0.1
    assert np.abs(bias - [-0.5, 0, 0.5]).max() < 0.1
    even = fit_with_bias(truth, wrong, np.full(len(truth), 7.0))
    assert even[0] == pytest.approx(temperature) and even[1] == pytest.approx(bias)
    assert np.abs(fit_with_bias(truth, wrong, ridge=1.0)[1]).max() < np.abs(bias).max() / 2
    assert np.abs(calibrate(with_bias(wrong, temperature, bias), temperature) - right).mean() < 0.02
    assert abs(fit_temperature(truth, right) - 1) < 0.1


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """An untrained base with batch normalisation that does something, and its weights as a file."""
    made = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(224, 224, 3))
    random = np.random.default_rng(0)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = len(layer.get_weights()[0])
            layer.set_weights(
                [random.uniform(0.5, 1.5, count), random.normal(0, 0.2, count),
                 random.normal(0, 0.2, count), random.uniform(0.5, 1.5, count)]
            )  # fmt: skip
    file = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    made.save_weights(file)
    return made, str(file)


@pytest.mark.slow
def test_folding_batch_normalisation_in_and_out_again_changes_nothing(base):
    untouched, weights = base
    pictures = np.random.default_rng(1).random((2, 224, 224, 3)).astype(np.float32)
    trained = network.build_trained_part(CSSS, weights, classes=6, seed=3, steps=10)
    activations = network.lower_part(network.build_base(weights), CSSS).predict(pictures, verbose=0)
    expected_map = untouched.predict(2 * pictures - 1, verbose=0)
    folded_map = keras.Model(trained.input, trained.get_layer("pool").input).predict(activations, verbose=0)
    assert np.abs(folded_map - expected_map).max() < 1e-3 * max(1.0, float(np.abs(expected_map).max()))
    expected = np.asarray(network.classifier(trained)(activations, training=False))
    found, *_ = network.join(network.build_base(weights), trained, CSSS).predict(pictures, verbose=0)
    assert np.abs(found - expected).max() < 5e-3  # half precision lies between


@pytest.mark.slow
def test_the_shipped_weights_are_numbers_of_half_precision_once_folded(base):
    _, weights = base
    trained = network.build_trained_part(CSSS, weights, classes=6, seed=3, steps=10)
    put_together = network.build_base(weights)
    network.join(put_together, trained, CSSS)
    for conv, normalisation in network._pairs(put_together, None):
        kernel, _ = network.folded(conv, normalisation)
        assert np.allclose(kernel, kernel.astype(np.float16).astype(np.float32), rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_the_trained_part_learns_and_only_from_the_first_trained_block_on(base):
    _, weights = base
    trained = network.build_trained_part(CSSS, weights, classes=6, seed=3, steps=4)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in trained.layers)
    assert trained.input_shape == (None, 14, 14, 64)
    before = trained.get_layer("block_7_expand").get_weights()[0].copy()
    x = np.random.default_rng(2).random((8, 14, 14, 64)).astype(np.float32)
    classes, views = np.eye(6)[[0, 1] * 4], np.eye(4)[[0] * 8]
    trained.train_on_batch(x, [classes, np.full((8, len(NAMES)), UNKNOWN), views])
    assert not np.array_equal(before, trained.get_layer("block_7_expand").get_weights()[0])
