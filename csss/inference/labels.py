"""Read a model folder's `labels.json` into typed values, and check the folder's files. It is the only source of
them."""

import hashlib
import json
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from csss.paths import MODELS

DEFAULT_THRESHOLD: Final = 0.75
UNCERTAIN: Final = "Uncertain"
UNLIKE = (
    "The picture does not resemble the chest X-rays and cardiac MRI slices that the classifier learned from, so its "
    "probabilities mean little here."
)
LATERAL = (
    "The picture looks like a lateral chest X-ray; the classifier has learned frontal ones, so its probabilities mean "
    "little here."
)
REFUSALS: Final = (UNLIKE, LATERAL)
"""Each says that the picture is none that the classifier has learned to read."""
NO_FINDING: Final = "No_Finding"
"""The name of the last output of the findings: that there is none."""
VIEWS: Final = ("frontal_chest", "lateral_chest", "cardiac_mri", "none")
"""What a picture can be, in the order of the network's output."""
RESIZE_METHODS: Final = ("area", "bilinear")


class ModelMissing(Exception):
    """There is no model at the expected place; the message says how to fix it."""


class ModelCorrupt(Exception):
    """A file of the model folder is damaged or does not belong to it; the message says how to fix it."""


@dataclass(frozen=True)
class Label:
    """One class: its name in the data, its display name, and a sentence that explains it."""

    name: str
    title: str
    explanation: str


@dataclass(frozen=True)
class Finding:
    """One finding of the second output: its name in the data, its display name, the calibrated probability from which on
    it is worth a look, and whether it is shown at all (some are recognised too badly)."""

    name: str
    title: str
    threshold: float
    shown: bool


@dataclass(frozen=True)
class ModelInfo:
    """A model folder's `labels.json`. `labels` are in the order of the network's output.

    `bias` is added to the scaled log probabilities, one number per class: zero except in a version that was fitted to a
    hospital, whose `base` is the version that it was made from. `outliers_file` is None for a model that cannot detect
    unrelated pictures; the outlier threshold is then infinite. `views` are what a picture can be, `findings` what the second
    output names (the last one is `No_Finding`); both are empty for a network without these outputs.
    """

    folder: Path
    version: str
    created: str
    labels: tuple[Label, ...]
    width: int
    height: int
    channels: int
    resize: str
    temperature: float
    bias: tuple[float, ...]
    base: str | None
    threshold: float
    model_file: str
    model_sha256: str
    head_file: str
    head_sha256: str
    outliers_file: str | None
    outliers_sha256: str
    outliers_threshold: float
    views: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def names_findings(self) -> bool:
        """Whether its second output has a finding that is shown."""
        return any(each.shown for each in self.findings[:-1])

    @property
    def input_size(self) -> str:
        """As a prediction stores it, for example `224x224x3`."""
        return f"{self.width}x{self.height}x{self.channels}"

    def label(self, name: str) -> Label:
        """The label of that name; raises `KeyError`."""
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(name)


def default_folder() -> Path:
    """The folder named by $CSSS_MODEL, otherwise the one that `models/ACTIVE` names. Raises `ModelMissing`."""
    named = os.environ.get("CSSS_MODEL", "").strip()
    if named:
        return Path(named).expanduser()
    active = MODELS / "ACTIVE"
    if not active.is_file():
        raise ModelMissing(
            f"No model is installed: {active} is missing. Set CSSS_MODEL to a model folder, or make one with "
            "`python -m training train` and `python -m training export`."
        )
    return MODELS / active.read_text(encoding="utf-8").strip()


def read_info(folder: Path | str | None = None) -> ModelInfo:
    """Read `labels.json` of a model folder (default: `default_folder()`), without loading the network.

    Raises `ModelMissing` and `ModelCorrupt`.
    """
    folder = default_folder() if folder is None else Path(folder)
    file = folder / "labels.json"
    if not file.is_file():
        raise ModelMissing(
            f"{folder} is not a model folder: it has no labels.json. Set CSSS_MODEL to a folder that has one, or "
            "leave it empty to use the model that came with CSSS."
        )
    try:
        return _parse(folder, json.loads(file.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelCorrupt(
            f"{file} cannot be used ({type(error).__name__}: {error}). Restore the model folder from its source, "
            "or create it again with `python -m training export`."
        ) from error


def _parse(folder: Path, raw: dict[str, Any]) -> ModelInfo:
    labels = tuple(Label(entry["name"], entry["title"], entry["explanation"]) for entry in raw["labels"])
    outliers, bias = raw.get("outliers"), raw.get("bias", {})
    info = ModelInfo(
        folder=folder,
        version=str(raw["version"]),
        created=str(raw["created"]),
        labels=labels,
        width=int(raw["input"]["width"]),
        height=int(raw["input"]["height"]),
        channels=int(raw["input"]["channels"]),
        resize=str(raw["input"]["resize"]),
        temperature=float(raw["temperature"]),
        bias=tuple(float(bias[label.name]) if bias else 0.0 for label in labels),
        base=str(raw["base"]["version"]) if "base" in raw else None,
        threshold=float(raw.get("threshold", DEFAULT_THRESHOLD)),
        model_file=str(raw["model"]["file"]),
        model_sha256=str(raw["model"]["sha256"]),
        head_file=str(raw["head"]["file"]),
        head_sha256=str(raw["head"]["sha256"]),
        outliers_file=str(outliers["file"]) if outliers else None,
        outliers_sha256=str(outliers["sha256"]) if outliers else "",
        outliers_threshold=float(outliers["threshold"]) if outliers else math.inf,
        views=tuple(str(name) for name in raw.get("views", ())),
        findings=tuple(
            Finding(str(each["name"]), str(each["title"]), float(each["threshold"]), bool(each["shown"]))
            for each in raw.get("findings", ())
        ),
    )
    if len({label.name for label in labels}) != len(labels) or len(labels) < 2:
        raise ValueError("labels must be at least two, and all different")
    if info.resize not in RESIZE_METHODS:
        raise ValueError(f"resize must be one of {', '.join(RESIZE_METHODS)}")
    if not all(map(math.isfinite, (info.temperature, *info.bias))):
        raise ValueError("temperature and biases must be finite")
    if info.views not in {(), VIEWS} or (info.findings and info.findings[-1].name != NO_FINDING):
        raise ValueError("views or findings are not those that this version of CSSS can use")
    if info.temperature <= 0 or not 0 <= info.threshold <= 1 or min(info.width, info.height) < 1:
        raise ValueError("temperature, threshold or input size is out of range")
    return info


def read_checked(folder: Path, name: str, sha256: str) -> bytes:
    """The bytes of a model file whose SHA-256 must be the one in `labels.json`."""
    file = folder / name
    if not file.is_file():
        raise ModelMissing(f"{file} is missing. Restore the model folder from its source.")
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelCorrupt(
            f"{file} is damaged or belongs to another model: its SHA-256 is not the one in labels.json. "
            "Restore the model folder from its source, or create it again with `python -m training export`."
        )
    return data


def check_files(info: ModelInfo) -> None:
    """Check the model's files against `labels.json` without loading the network. Raises `ModelMissing` and
    `ModelCorrupt`. Skips files whose size and modification time have not changed since the last successful check."""
    for name, sha256 in (
        (info.model_file, info.model_sha256),
        (info.head_file, info.head_sha256),
        (info.outliers_file, info.outliers_sha256),
    ):
        if name is None:
            continue
        file = info.folder / name
        if not file.is_file():
            raise ModelMissing(f"{file} is missing. Restore the model folder from its source.")
        stat = file.stat()
        _checked(info.folder, name, sha256, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _checked(folder: Path, name: str, sha256: str, *_state: int) -> None:
    read_checked(folder, name, sha256)
