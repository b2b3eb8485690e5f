"""What is learned besides the class, mixing, averaging, several seeds, and where a training runs."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

import keras

from csss.paths import ROOT
from training.data.dataset import Image
from training.data.findings import HEARTS, NAMES, UNKNOWN, findings
from training.experiments.seeds import figures
from training.fitting import devices, network
from training.fitting.epochs import mixed, one_epoch
from training.fitting.train import average
from training.measuring.scaling import counted
from training.recipes import CSSS, PAPER
from training.run import Run

pytestmark = pytest.mark.training


def image(path, label, group):
    return Image(path, label, "source", group, 256)


def test_findings_are_known_where_somebody_has_said_something(tmp_path):
    (tmp_path / "nih_findings.csv").write_text(
        "path,nih_finding_labels,patient_age,patient_sex,view_position,rsna_class,google_airspace_opacity\n"
        "a.jpg,Edema|Effusion,77,M,AP,Lung Opacity,\n"
        "b.jpg,No Finding,40,F,PA,,\n"
        "c.jpg,Nodule,40,F,PA,,NO\n"
    )
    images = [
        image("a.jpg", "Lung_Opacity", "nih-1"),
        image("b.jpg", "NIH_MERGED", "nih-2"),
        image("c.jpg", "NIH_MERGED", "nih-3"),
        image("d.jpg", "Sick", "acdc-patient021"),
        image("e.jpg", "COVID", "crd-1"),
    ]
    known = {name: column for name, column in zip(NAMES, findings(images, tmp_path).T, strict=True)}
    assert list(known["Edema"]) == [1, 0, 0, UNKNOWN, UNKNOWN]
    assert list(known["AP view"]) == [1, 0, 0, UNKNOWN, UNKNOWN]
    assert list(known["opacity as read"]) == [1, UNKNOWN, 0, UNKNOWN, UNKNOWN]
    assert [known[name][3] for name in HEARTS] == [0, 1, 0, 0, 0]
    (tmp_path / "nih_findings.csv").unlink()
    assert (findings(images[:3], tmp_path) == UNKNOWN).all()


def test_what_nobody_has_said_teaches_nothing():
    found = np.array([[0.9, 0.2], [0.9, 0.2], [0.5, 0.5]], np.float32)
    truth = np.array([[1, UNKNOWN], [0, 0], [UNKNOWN, UNKNOWN]], np.float32)
    loss = np.asarray(network.known_crossentropy(truth, found))
    assert loss == pytest.approx([-np.log(0.9), -(np.log(0.1) + np.log(0.8)) / 2, 0.0], abs=1e-5)


def test_mixing_keeps_the_larger_part_and_the_same_part_of_picture_and_class():
    classes = np.eye(8, dtype=np.float32)
    pictures, wanted = mixed(np.random.default_rng(0), 0.3, (classes.reshape(8, 2, 4), classes))
    assert np.allclose(pictures.reshape(8, 8), wanted)
    assert (wanted.argmax(axis=1) == np.arange(8)).all()
    assert np.allclose(wanted.sum(axis=1), 1)
    assert (wanted < 1).any()


def test_an_average_is_of_the_weights(tmp_path):
    files = []
    for value in (1.0, 3.0):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.set_weights([np.full((2, 1), value), np.full(1, -value)])
        model.save(tmp_path / f"{value}.keras")
        files.append(tmp_path / f"{value}.keras")
    kernel, bias = average(files)
    assert (kernel == 2).all() and (bias == -2).all()


def test_a_recipe_that_learns_findings_learns_and_reports_both():
    images = [image(f"{n}.jpg", ("COVID", "Sick")[n % 2], f"g{n}") for n in range(40)]
    x = np.random.default_rng(0).random((40, network.CHANNELS)).astype(np.float32)
    x[::2, :40] += 2
    recipe = replace(PAPER, mixup=0.3, findings=0.5, learning_rate=1e-2)
    head = network.build_trained_part(recipe, "", 6, seed=1)
    known = np.full((40, len(NAMES)), UNKNOWN, np.float32)
    known[::2, 0] = 1
    rows = [one_epoch(head, x, images, recipe, seed=1, epoch=epoch, known=known) for epoch in range(6)]
    assert rows[0].keys() == {"loss", "accuracy", "findings_loss"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert network.classifier(head).output_shape == (None, 6)


def test_seeds_share_the_split_and_nothing_else(tmp_path):
    run = Run("csss-9", runs=tmp_path)
    other = run.of_seed(43)
    assert other.split_file == run.split_file and other.features == run.features
    assert other.folder != run.folder and run.folder in other.folder.parents
    other.write("train", {"best_epoch": 2, "average_kept": False})
    assert not (run.folder / "train.json").exists()
    assert other.kept_file(json.loads((other.folder / "train.json").read_text())) == other.epoch_file(2)
    assert other.kept_file({"best_epoch": 2, "average_kept": True}) == other.average_file


def test_the_threshold_lets_the_sure_ones_through():
    truth = np.array([0, 0, 1, 1])
    row = figures(truth, np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]]))
    assert row["accuracy"] == 0.75
    assert row["accepted"] == 0.75
    assert row["error_accepted"] == pytest.approx(1 / 3)


def test_patients_with_many_slices_do_not_decide_alone():
    weights = counted(["a", "a", "a", "a", "b"], ["Sick"] * 4 + ["Normal"], 0.5)
    assert weights[:4].sum() == pytest.approx(4**0.5 * 4**-0.5)
    assert weights[4] == 1


def test_half_precision_and_sharing_come_with_the_cards():
    assert devices.plan(0) == devices.Plan(0, "float32")
    assert devices.plan(1).policy == devices.plan(4).policy == "mixed_float16"
    assert devices.plan(4).cards == 4


def test_on_a_processor_layers_are_of_single_precision():
    before = keras.mixed_precision.global_policy()
    try:
        assert devices.apply(devices.plan(0)).num_replicas_in_sync == 1
        assert keras.mixed_precision.global_policy().name == "float32"
        devices.apply(devices.plan(1))
        head = network.build_trained_part(replace(CSSS, first_trained=None), "", 6, seed=1)
        assert head.get_layer("hidden").compute_dtype == "float16"
        assert head.get_layer("probabilities").compute_dtype == "float32"
    finally:
        keras.mixed_precision.set_global_policy(before)


TWO_CARDS = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import json
from dataclasses import replace

import numpy as np

from training.fitting import network
from training.data.dataset import Image
from training.data.findings import NAMES
from training.recipes import PAPER
from training.fitting.epochs import one_epoch

images = [Image(f"{n}.jpg", ("COVID", "Sick")[n % 2], "source", f"g{n}", 256) for n in range(40)]
x = np.random.default_rng(0).random((40, network.CHANNELS)).astype(np.float32)
x[::2, :40] += 2
recipe = replace(PAPER, mixup=0.3, findings=0.5, learning_rate=1e-2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    head = network.build_trained_part(recipe, "", 6, seed=1)
known = np.zeros((40, len(NAMES)), np.float32)
print(json.dumps([one_epoch(head, x, images, recipe, seed=1, epoch=e, known=known) for e in range(4)]))
"""


@pytest.mark.slow
def test_two_devices_share_each_batch_and_learn():
    """Two halves of the processor stand in for two graphics cards; in a process of its own, which they need."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_CARDS], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout.splitlines()[-1])
    assert rows[0].keys() == {"loss", "accuracy", "findings_loss"}
    assert rows[-1]["loss"] < rows[0]["loss"]
