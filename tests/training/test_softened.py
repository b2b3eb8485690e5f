"""Labels softened by networks that have not seen the patient."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

from training import recipes
from training.data.dataset import LABELS, Image
from training.data.findings import NAMES, UNKNOWN
from training.fitting import network
from training.fitting.epochs import one_hot
from training.fitting.features import PLAIN, FeatureCache
from training.fitting.softened_labels import FOLDS, TEACHERS, fold_of, softened
from training.run import Run

pytestmark = pytest.mark.training

RECIPE = replace(
    recipes.CSSS, first_trained=None, passes=1, epochs=3, batch=16, learning_rate=1e-2, mixup=0.0
)


def images(count):
    """Two pictures a patient; the last quarter are COVID pictures that somebody has called Sick."""
    return [
        Image(f"{n}.jpg", "COVID" if n < count // 2 else "Sick", "source", f"g{n // 2}", 256)
        for n in range(count)
    ]


def test_a_patient_is_in_one_fold_and_each_class_is_in_every_fold():
    chosen = images(60)
    folds = fold_of(chosen)
    assert all(folds[n] == folds[n + 1] for n in range(0, 60, 2))
    for start in (0, 30):
        assert np.bincount(folds[start : start + 30], minlength=FOLDS).tolist() == [10, 10, 10]
    assert (fold_of(chosen) == folds).all()


def test_a_wrong_label_is_doubted_and_a_right_one_stays(tmp_path, monkeypatch):
    chosen, random = images(120), np.random.default_rng(0)
    monkeypatch.setitem(recipes.RECIPES, "csss", RECIPE)
    run = Run("csss-9", runs=tmp_path)
    cache = FeatureCache(run.features, tmp_path, "", RECIPE, seed=42)
    x = random.random((120, network.CHANNELS)).astype(np.float32)
    x[:60, :60] += 1
    x[90:, :60] += 1  # what is labelled Sick looks like COVID
    for name in ("seed42-0", PLAIN):
        np.save(run.features / f"train-area-{name}.npy", x)
    known = np.full((120, len(NAMES)), UNKNOWN, np.float32)
    rows = softened(run, cache, chosen, classes=one_hot(chosen), known=known, resize="area")
    sick = LABELS.index("Sick")
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-4)
    assert rows[90:, sick].mean() < rows[60:90, sick].mean() - 0.03
    assert rows[60:, sick].min() >= 1 - RECIPE.softened
    kept = sorted((run.root / "teachers").iterdir())
    assert len(kept) == FOLDS * TEACHERS
    made = [file.stat().st_mtime_ns for file in kept]
    again = softened(
        run, cache, chosen, classes=one_hot(chosen), known=known, resize="area"
    )  # as after a kill: nothing is trained twice
    assert (again == rows).all() and [file.stat().st_mtime_ns for file in kept] == made
