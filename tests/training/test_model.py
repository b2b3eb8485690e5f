"""Every shipped model against its Keras file and its own metrics.json."""

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from csss.inference import Engine
from csss.inference.gradcam import ClassifierHead, raw_map
from csss.inference.labels import read_checked, read_info
from csss.inference.scaling import calibrate
from csss.paths import MODELS
from training.data.dataset import CLASSES, DataMissing, data_folder
from training.export.model_card import model_card
from training.measuring import evaluate as evaluation

pytestmark = [pytest.mark.training, pytest.mark.slow]

OTHER_PROCESSOR = 0.002
"""Another kind of processor rounds differently, which may turn one or two of the held-back images."""

CHEST = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Viral_Pneumonia")
HEART = ("Normal", "Sick")
SHIPPED = sorted(file.parent for file in MODELS.glob("*/labels.json"))


@pytest.fixture(scope="module", params=SHIPPED, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture(scope="module")
def keras_model(folder):
    pytest.importorskip("tensorflow", reason="TensorFlow (extra `train`) is not installed")
    from training.fitting.network import load_model

    return load_model(folder / "model.keras")


@pytest.fixture(scope="module")
def pictures():
    """Random pictures of several textures, as the network's input."""
    import cv2

    random = np.random.default_rng(8)
    return np.stack(
        [
            cv2.resize(
                random.random((size, size, 3), np.float32), (224, 224), interpolation=cv2.INTER_CUBIC
            ).clip(0, 1)
            for size in (4, 7, 12, 20, 40, 80, 150, 224)
        ]
    ).astype(np.float32)


def test_litert_and_keras_agree(folder, keras_model, pictures):
    engine = Engine.load(folder)
    wanted, *wanted_others = (output.astype(float) for output in keras_model.predict(pictures, verbose=0))
    for index, picture in enumerate(pictures):
        got, *others = engine.run(picture)
        scaled = [calibrate(row.astype(float), engine.info.temperature) for row in (wanted[index], got)]
        assert np.abs(got - wanted[index]).max() <= 1e-3
        assert np.abs(scaled[0] - scaled[1]).max() <= 1e-3
        for other, wanted_other in zip(
            (each for each in others if each is not None), wanted_others, strict=True
        ):
            assert np.abs(other - wanted_other[index]).max() < 0.05


def test_closed_form_grad_cam_equals_the_gradient_tape(folder, keras_model, pictures):
    import tensorflow as tf

    info = read_info(folder)
    layers = ClassifierHead.from_bytes(read_checked(folder, info.head_file, info.head_sha256))
    feature_maps = tf.constant(keras_model.predict(pictures, verbose=0)[1])
    heads = _heads(keras_model, info.names)
    assert len(heads) == layers.output_kernel.shape[1]
    for index, (hidden, output, column) in enumerate(heads):
        with tf.GradientTape() as tape:
            tape.watch(feature_maps)
            scores = tf.matmul(hidden(tf.reduce_mean(feature_maps, axis=(1, 2))), output.kernel) + output.bias
            chosen = tf.reduce_sum(scores[:, column])
        alpha = tf.reduce_mean(tape.gradient(chosen, feature_maps), axis=(1, 2), keepdims=True)
        expected = tf.nn.relu(tf.reduce_sum(alpha * feature_maps, axis=-1)).numpy()
        for feature_map, wanted in zip(feature_maps.numpy(), expected, strict=True):
            got = raw_map(feature_map, layers, index)
            assert np.abs(got - wanted).max() <= 1e-4
            if wanted.max() > 0:
                assert np.abs(got / got.max() - wanted / wanted.max()).max() <= 1e-4


def _heads(model, names):
    """For each output of the plain arrays its hidden layer, its last layer, and the column there."""
    layer = model.get_layer
    if not any(each.name == "view" for each in model.layers):
        return [(layer("hidden"), layer("probabilities"), index) for index in range(len(names))]
    chest = {name: (layer("hidden"), layer("chest"), place) for place, name in enumerate(CHEST)}
    heart = [(layer("hidden_heart"), layer("heart"), place) for place in range(len(HEART))]
    return [*(chest.get(name) or heart[HEART.index(name)] for name in names), heart[HEART.index("Normal")]]


def test_evaluate_gives_the_figures_of_metrics_json(folder):
    try:
        data = data_folder()
    except DataMissing as missing:
        pytest.skip(str(missing))
    metrics = evaluation.read_metrics(folder)
    figures = evaluation.evaluate(Engine.load(folder), data, metrics)
    assert evaluation.differences(metrics["test"]["macro"], figures["macro"], OTHER_PROCESSOR) == []
    assert abs(metrics["test"]["accuracy"] - figures["accuracy"]) <= OTHER_PROCESSOR
    assert f"{figures['accuracy']:.4f}" in evaluation.table(figures)


def test_the_card_is_made_of_the_metrics(folder):
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == model_card(
        read_info(folder), evaluation.read_metrics(folder)
    )


def test_the_model_folder_is_whole_and_small(folder):
    assert {file.name for file in folder.iterdir()} >= {
        "model.tflite", "model.keras", "head.npz", "labels.json", "metrics.json", "MODEL_CARD.md",
        "confusion.png", "learning.png", "reliability.png", "coverage.png",
    }  # fmt: skip
    assert sum(file.stat().st_size for file in folder.iterdir()) < 22_000_000
    assert read_info(folder).labels == CLASSES


def test_metrics_add_up(folder):
    metrics = evaluation.read_metrics(folder)
    counts = np.array(metrics["test"]["confusion"])
    lateral = metrics["data"]["by_class"]["test"].get("Lateral", 0)  # on the side, but of no class
    assert counts.sum() == metrics["test"]["images"] == metrics["data"]["sides"]["test"] - lateral
    assert metrics["test"]["accuracy"] == pytest.approx(np.trace(counts) / counts.sum(), abs=1e-6)
    assert metrics["training"]["finished"] is True
    assert metrics["export"]["parity"][metrics["export"]["precision"]]["max_probability_difference"] <= 1e-3


def test_all_models_together_are_small_and_the_active_one_is_among_them():
    assert sum(file.stat().st_size for file in MODELS.rglob("*") if file.is_file()) < 42_000_000
    assert MODELS / (MODELS / "ACTIVE").read_text(encoding="utf-8").strip() in SHIPPED


def test_a_model_that_can_tell_other_pictures_refuses_most_of_them_and_few_scans(folder):
    info, others = read_info(folder), evaluation.read_metrics(folder)["audit"]["others"]
    if info.outliers_file is None:
        pytest.skip(f"{info.version} has no score for other pictures")
    record = evaluation.read_metrics(folder)["outliers"]
    assert record["threshold"] == pytest.approx(info.outliers_threshold, abs=1e-6)
    assert others["auroc"] > others["auroc_confidence"]
    assert others["scans_refused"] < 0.05

    pytest.importorskip(
        "matplotlib", reason="matplotlib (extra `train`), whose pictures are tried, is not installed"
    )
    from training.measuring.other_pictures import outsiders

    engine = Engine.load(folder)
    pictures = [picture for kind, picture in outsiders() if kind in {"documents", "noise", "blank"}]
    refused = evaluation.read_all(engine, pictures).strange
    assert refused.mean() > 0.9
