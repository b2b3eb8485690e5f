"""A head for each kind of scan: no X-ray competes with a heart, and the arrays say what the network says."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

import keras

from csss.inference.gradcam import ClassifierHead, finding_map
from training.data.dataset import LABELS
from training.data.findings import FINDINGS, NAMES, UNKNOWN
from training.fitting import calibrate_findings, heads
from training.fitting.epochs import areas_of, pool_of, sampling_order
from training.measuring import findings as measured
from training.recipes import CSSS

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(3)
    pooled = keras.Input((1280,))
    probabilities, view = heads.class_outputs(pooled, CSSS, len(LABELS))
    return keras.Model(pooled, [probabilities, heads.further_outputs(pooled, CSSS), view])


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).random((12, 1280), np.float32) * 2


def test_probabilities_of_all_classes_sum_to_one(trained, features):
    assert np.asarray(trained(features)[0]).sum(axis=1) == pytest.approx(np.ones(12), abs=1e-5)


def test_the_view_decides_between_chest_and_heart(trained):
    chest, heart = np.full((1, 5), 0.2, np.float32), np.array([[0.9, 0.1]], np.float32)
    layer = trained.get_layer("probabilities")
    only_heart = np.asarray(layer([np.array([[0.0, 0.0, 0.4, 0.6]], np.float32), chest, heart]))[0]
    assert only_heart == pytest.approx([0, 0, 0, 0.9, 0.1, 0], abs=1e-5)
    side_view = np.asarray(layer([np.array([[0.0, 1.0, 0.0, 0.0]], np.float32), chest, heart]))[0]
    assert side_view == pytest.approx([0.2, 0.2, 0.2, 0.2, 0, 0.2], abs=1e-5)


def test_the_plain_arrays_say_what_the_network_says(trained, features):
    head = ClassifierHead.from_bytes(heads.head_weights(trained).to_bytes())
    hidden = np.maximum(features @ head.hidden_kernel + head.hidden_bias, 0)
    scores = hidden @ head.output_kernel + head.output_bias
    chest = [LABELS.index(name) for name in heads.CHEST]
    shares = np.exp(scores[:, chest])
    submodel = keras.Model(
        trained.input, [trained.get_layer(name).output for name in ("chest", "heart", "view")]
    )
    said = [np.asarray(part) for part in submodel(features)]
    assert shares / shares.sum(axis=1, keepdims=True) == pytest.approx(said[0], abs=1e-4)
    pair = np.exp(scores[:, [len(LABELS), LABELS.index("Sick")]])
    assert pair / pair.sum(axis=1, keepdims=True) == pytest.approx(said[1], abs=1e-4)
    view = np.exp(head.view.logits(features))
    assert view / view.sum(axis=1, keepdims=True) == pytest.approx(said[2], abs=1e-4)
    findings = 1 / (1 + np.exp(-head.findings.logits(features)))
    assert findings.shape == (12, len(FINDINGS))
    assert findings == pytest.approx(np.asarray(trained(features)[1])[:, : len(FINDINGS)], abs=1e-4)


def test_the_map_of_a_finding_is_its_gradient(trained):
    tf = pytest.importorskip("tensorflow")
    cells = tf.constant(np.random.default_rng(1).random((7, 7, 1280), np.float32))
    kernel, bias = trained.get_layer("findings").get_weights()
    with tf.GradientTape() as tape:
        tape.watch(cells)
        score = tf.reduce_sum(tf.reduce_mean(cells, axis=(0, 1)) * kernel[:, 2]) + bias[2]
    weights = np.asarray(tape.gradient(score, cells)).mean(axis=(0, 1))
    wanted = np.maximum(np.asarray(cells) @ weights, 0)
    layer = heads.head_weights(trained).findings
    assert finding_map(np.asarray(cells), layer, 2) == pytest.approx(wanted / wanted.max(), abs=1e-4)


def test_every_patient_of_a_heart_counts_alike_however_many_slices():
    from training.data.dataset import Image

    images = [Image(f"a{n}", "Sick", "s", "acdc-patient001", 1) for n in range(30)]
    images += [Image(f"b{n}", "Sick", "s", "acdc-patient002", 1) for n in range(10)]
    order = np.concatenate([sampling_order(images, 0.5, np.random.default_rng(n)) for n in range(50)])
    assert (order < 30).mean() == pytest.approx(0.5, abs=0.03)
    assert pool_of(Image("c", "Normal", "s", "nih-1", 1)) != pool_of(Image("c", "Normal", "s", "crd-1", 1))


def drawn_findings(apart: float, count: int = 400):
    random = np.random.default_rng(5)
    known = np.full((count, len(NAMES)), UNKNOWN, np.float32)
    known[:, : len(FINDINGS)] = random.random((count, len(FINDINGS))) < 0.3
    scores = random.normal(size=(count, len(NAMES)))
    scores[:, : len(FINDINGS)] += apart * known[:, : len(FINDINGS)]
    return known, (1 / (1 + np.exp(-scores))).astype(np.float32)


def test_findings_are_calibrated_without_changing_their_order():
    known, said = drawn_findings(2.0)
    record = calibrate_findings.fit(known, said, [str(n) for n in range(400)])
    raw, scores = areas_of(known, said), calibrate_findings.logits(said[:, : len(FINDINGS)])
    after = 1 / (1 + np.exp(-(scores * record["slopes"] + record["offsets"])))
    assert areas_of(known, after) == pytest.approx(raw)
    assert after.mean(axis=0) == pytest.approx(known[:, : len(FINDINGS)].mean(axis=0), abs=0.01)
    row = record["val"]["findings"]["Effusion"]
    assert row["specificity"] == pytest.approx(0.85, abs=0.01)
    assert row["interval"][0] < row["auroc"] < row["interval"][1]


def test_what_is_hardly_recognised_is_not_shown():
    groups = [str(n) for n in range(400)]
    good = calibrate_findings.fit(*drawn_findings(2.0), groups)
    assert set(good["shown"]) == set(FINDINGS)
    assert calibrate_findings.fit(*drawn_findings(0.1), groups)["shown"] == []
    known, said = drawn_findings(2.0)
    known[:, 0] = 0
    known[:5, 0] = 1  # five images are too few, however well they are told
    said[:5, 0] = 0.999
    assert "Atelectasis" not in measured.recognised(measured.figures(known, said.astype(float), groups))
