"""The network that is shipped learns to answer as several networks do together."""

import csv
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

import keras

from training import recipes
from training.data.dataset import LABELS, read_manifest
from training.data.findings import NAMES, UNKNOWN
from training.data.split import write_split
from training.fitting import network
from training.fitting.distil import distil, panel, seeds_of
from training.fitting.epochs import Lesson, _taught, predict
from training.fitting.epochs import _batches as batches_of
from training.fitting.features import PLAIN
from training.json_files import rounded
from training.run import SEED, Run, RunDiffers, StepMissing

pytestmark = pytest.mark.training

RECIPE = replace(
    recipes.CSSS,
    first_trained=None,
    passes=1,
    epochs=15,
    batch=16,
    learning_rate=2e-3,
    apart=False,
    averaged=0,
)
SIDES = {"train": 240, "val": 60}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Features of pictures that two readers in five call something else, so that networks differ in what they say."""
    data, random = tmp_path_factory.mktemp("data"), np.random.default_rng(3)
    run = Run("csss-9", runs=data / "runs")
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
    with (data / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "source", "group", "native_width"])
        writer.writerows(rows)
    write_split(run.split_file, read_manifest(data), sides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.RECIPES, "csss", RECIPE)
        yield run


def away(said, wanted):
    """Mean Kullback-Leibler divergence from what is wanted."""
    return float((wanted * np.log(wanted / np.maximum(said, 1e-9))).sum(axis=1).mean())


def teach(run):
    return distil(run, run.runs.parent, "imagenet", "area")


def kept(run):
    return {file: file.stat().st_mtime_ns for file in run.root.rglob("*.keras")}


def test_before_it_is_trained_the_missing_step_is_named(run):
    with pytest.raises(StepMissing, match="python -m training distil"):
        run.shipped.read("train")


def test_it_is_nearer_to_their_mean_than_each_of_them(run):
    record = teach(run)
    x = np.load(run.features / "val-area-plain.npy")
    members = [run.of_seed(seed) for seed in seeds_of(run)]
    files = [member.kept_file(member.read("train")) for member in members]
    wanted, _ = panel(files)(x)
    assert len(files) == 3 and np.allclose(wanted.sum(axis=1), 1, atol=1e-5)
    alone = [away(predict(keras.models.load_model(file, compile=False), x), wanted) for file in files]
    learner = keras.models.load_model(run.taught().kept_file(record), compile=False)
    assert away(predict(learner, x), wanted) < 0.7 * min(alone)


def test_labels_take_no_part_and_the_panel_answers_what_is_shown():
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    one_of_each = np.eye(len(LABELS), dtype=np.float32)[np.arange(20) % len(LABELS)]
    shown = []

    def teacher(pictures):
        shown.append(pictures)
        return np.full((len(pictures), len(LABELS)), pictures.mean(), np.float32), None

    lesson = Lesson(x, one_of_each, np.zeros((20, len(NAMES)), np.float32), teacher)
    recipe = replace(RECIPE, mixup=0.4)
    for pictures, (wanted, _) in batches_of(lesson, recipe, np.arange(20), np.random.default_rng(0)):
        assert (shown[-1] == pictures).all() and (wanted == pictures.mean()).all()
    assert len(shown) == 2 and not np.isin(np.concatenate(shown), x).all()  # mixed first


def test_a_picture_without_a_class_is_taught_none_and_half_of_a_known_finding_is_the_panels():
    classes = np.array([[1, 0], [0, 0]], np.float32)
    known = np.array([[1, UNKNOWN], [0, UNKNOWN]], np.float32)
    said = np.full((2, 2), 0.5, np.float32), np.full((2, 2), 0.4, np.float32)
    wanted, further = _taught(said, classes, known)
    assert wanted.tolist() == [[0.5, 0.5], [0, 0]]
    assert further == pytest.approx(np.array([[0.7, UNKNOWN], [0.2, UNKNOWN]]))


def test_it_is_the_one_that_is_shipped_and_nothing_is_trained_twice(run):
    record = teach(run)
    assert run.shipped.read("train") == rounded(record) and record["settings"]["panel"] == 3
    assert {folder.name for folder in (run.root / "seeds").iterdir()} == {"43", "44"}
    made = kept(run)
    assert teach(run) == rounded(record)
    assert kept(run) == made


def test_a_killed_one_goes_on_where_it_stopped(run):
    record = rounded(teach(run))
    made = kept(run)
    run.taught().write("train", record | {"history": record["history"][:-2], "finished": False})
    again = teach(run)
    last = {f"epoch-{len(record['history']) - back:02}.keras" for back in (0, 1)}
    changed = {file.name for file, when in kept(run).items() if made[file] != when}
    assert again["history"][:-2] == record["history"][:-2] and changed == last


def test_what_one_panel_began_no_other_panel_finishes(run):
    teach(run)
    file = run.of_seed(43).kept_file(run.of_seed(43).read("train"))
    before = file.read_bytes()
    file.write_bytes(run.of_seed(44).kept_file(run.of_seed(44).read("train")).read_bytes())
    try:
        with pytest.raises(RunDiffers, match="other settings"):
            teach(run)
    finally:
        file.write_bytes(before)


def test_a_recipe_without_a_panel_ships_the_network_of_the_first_seed():
    assert Run("paper-9").shipped == Run("paper-9") and Run("paper-9").shipped.seed == SEED
