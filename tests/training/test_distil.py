"""The network that is shipped learns to answer as several networks do together."""

import csv
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

import keras

from training import network, recipes
from training.data import LABELS, read_manifest
from training.distil import distil, panel, seeds_of
from training.features import PLAIN
from training.run import SEED, Run, StepMissing, rounded
from training.split import write_split
from training.train import predict

pytestmark = pytest.mark.training

RECIPE = replace(
    recipes.CSSS,
    first_trained=None,
    passes=1,
    epochs=15,
    batch=16,
    learning_rate=2e-3,
    softened=0.0,
    averaged=0,
)
SIDES = {"train": 240, "val": 60}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Features of pictures that two readers in five call something else, so that networks differ in what they say."""
    monkeypatch.setitem(recipes.RECIPES, "csss", RECIPE)
    run, random = Run("csss-9", runs=tmp_path / "runs"), np.random.default_rng(3)
    rows, sides = [], {}
    run.features.mkdir(parents=True)
    for side, count in SIDES.items():
        true = np.arange(count) % len(LABELS)
        called = np.where(random.random(count) < 0.4, random.integers(len(LABELS), size=count), true)
        x = random.random((count, network.CHANNELS)).astype(np.float32)
        for number in range(count):
            x[number, true[number] * 20 : true[number] * 20 + 20] += 2
            path = f"{side}/{number}.jpg"
            rows.append([path, LABELS[called[number]], "drawn", path, 256])
            sides[path] = side
        for name in ("seed42-0", PLAIN):
            np.save(run.features / f"{side}-area-{name}.npy", x)
    with (tmp_path / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "source", "group", "native_width"])
        writer.writerows(rows)
    write_split(run.split_file, read_manifest(tmp_path), sides)
    return run


def away(said, wanted):
    """Mean Kullback-Leibler divergence from what is wanted."""
    return float((wanted * np.log(wanted / np.maximum(said, 1e-9))).sum(axis=1).mean())


def test_it_is_nearer_to_their_mean_than_each_of_them(run, tmp_path):
    record = distil(run, tmp_path, "imagenet", "area")
    x = np.load(run.features / "val-area-plain.npy")
    members = [run.of_seed(seed) for seed in seeds_of(run)]
    files = [member.kept_file(member.read("train")) for member in members]
    wanted = panel(files)(x)
    assert len(files) == 3 and np.allclose(wanted.sum(axis=1), 1, atol=1e-5)
    alone = [away(predict(keras.models.load_model(file, compile=False), x), wanted) for file in files]
    learner = keras.models.load_model(run.taught().kept_file(record), compile=False)
    assert away(predict(learner, x), wanted) < min(alone)


def test_it_is_the_one_that_is_shipped_and_nothing_is_trained_twice(run, tmp_path):
    with pytest.raises(StepMissing, match="python -m training distil"):
        run.shipped.read("train")
    record = distil(run, tmp_path, "imagenet", "area")
    assert run.shipped.read("train") == rounded(record) and record["settings"]["panel"] == 3
    assert {folder.name for folder in (run.root / "seeds").iterdir()} == {"43", "44"}
    made = {file: file.stat().st_mtime_ns for file in run.root.rglob("*.keras")}
    assert distil(run, tmp_path, "imagenet", "area") == rounded(record)
    assert {file: file.stat().st_mtime_ns for file in run.root.rglob("*.keras")} == made


def test_a_recipe_without_a_panel_ships_the_network_of_the_first_seed():
    assert Run("paper-9").shipped == Run("paper-9") and Run("paper-9").shipped.seed == SEED
