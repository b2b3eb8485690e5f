"""Manage a run's folder: all files that a training leaves between its steps, outside the repository."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csss.paths import MODELS, ROOT
from training.data.dataset import LABELS, Image
from training.data.split import read_split
from training.json_files import write_json
from training.recipes import Recipe, recipe_of

WIDTH = HEIGHT = 224
SEED = 42


class StepMissing(Exception):
    """An earlier step has not been run; the message names it."""


class RunDiffers(Exception):
    """The content of a run's folder was made with other settings than requested; the message names them."""


@dataclass(frozen=True)
class Run:
    """Paths and small JSON records of one training run; the version names both the run and the model folder.

    Runs of other seeds, and the run of the distilled network (`training.fitting.distil`), are inside that of the
    first and share its split and its cached features.
    """

    version: str
    runs: Path = ROOT / "training" / "runs"
    models: Path = MODELS
    seed: int = SEED
    distilled: bool = False

    @property
    def recipe(self) -> Recipe:
        """The recipe after which this version is named; the distilled network has its own number of epochs."""
        recipe = recipe_of(self.version)
        return replace(recipe, epochs=recipe.taught_epochs) if self.distilled else recipe

    def of_seed(self, seed: int) -> "Run":
        """The run of another seed: other initial weights, order and augmentation, the same split."""
        return replace(self, seed=seed, distilled=False)

    def taught(self) -> "Run":
        """The run of the network that learns from the networks of several seeds."""
        return replace(self, seed=SEED, distilled=True)

    @property
    def shipped(self) -> "Run":
        """The run whose network is exported unless a seed is given."""
        return self.taught() if self.recipe.panel else self.of_seed(SEED)

    @property
    def root(self) -> Path:
        """The folder that the runs of all seeds share."""
        return self.runs / self.version

    @property
    def folder(self) -> Path:
        if self.distilled:
            return self.root / "distilled"
        return self.root if self.seed == SEED else self.root / "seeds" / str(self.seed)

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def model_folder(self) -> Path:
        return self.models / self.version

    @property
    def split_file(self) -> Path:
        return self.root / "split.csv"

    def epoch_file(self, epoch: int) -> Path:
        return self.folder / "epochs" / f"epoch-{epoch:02d}.keras"

    @property
    def average_file(self) -> Path:
        return self.folder / "epochs" / "average.keras"

    def kept_file(self, record: dict[str, Any]) -> Path:
        """The weights named in a training's record: the average of the last epochs, or the best epoch."""
        return self.average_file if record.get("average_kept") else self.epoch_file(record["best_epoch"])

    def read(self, step: str) -> dict[str, Any]:
        """The record of a step; raises `StepMissing`."""
        file = self.folder / f"{step}.json"
        if not file.is_file():
            wanted = "distil" if self.distilled and step == "train" else step
            raise StepMissing(f"{file} is missing: run `python -m training {wanted}` first.")
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return record

    def write(self, step: str, record: dict[str, Any]) -> None:
        """Store the record of a step, replacing it atomically, so that an interruption leaves the old or the new
        one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / f"{step}.json", record)

    def images(self, *, classes: bool = True) -> dict[str, list[Image]]:
        """The images of each side, in the order of the manifest; with `classes=False` those that have no class (lateral
        views)."""
        if not self.split_file.is_file():
            raise StepMissing(f"{self.split_file} is missing: run `python -m training split` first.")
        shared: dict[str, list[Image]] = {"train": [], "val": [], "test": []}
        for image, side in read_split(self.split_file):
            if (image.label in LABELS) is classes:
                shared[side].append(image)
        return shared


def active_version(models: Path = MODELS) -> str:
    """The version that `ACTIVE` names; raises `StepMissing`."""
    file = models / "ACTIVE"
    if not file.is_file():
        raise StepMissing(f"{file} is missing: run `python -m training export --activate` first.")
    return file.read_text(encoding="utf-8").strip()
