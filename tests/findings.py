"""A model whose view and findings are chosen, made from the shipped one, and what it could have said."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from csss.inference import Result
from csss.inference.gradcam import ClassifierHead, Linear
from csss.inference.labels import NO_FINDING, VIEWS, default_folder
from tests.factories import reading

NAMES = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia"),
    *("Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax"),
)
HIDDEN = "Hernia"
"""Recognised too badly to be shown."""


def model_with_findings(
    folder: Path, *, view: str = "frontal_chest", biases: dict[str, float] | None = None
) -> Path:
    """The shipped model with a view that it always says, and findings whose logits are `biases` (0 where not given)."""
    shutil.copytree(
        default_folder(), folder, ignore=shutil.ignore_patterns("*.keras", "*.png", "metrics.json")
    )
    head = ClassifierHead.from_bytes((folder / "head.npz").read_bytes())
    channels, outputs = head.hidden_kernel.shape[0], (*NAMES, NO_FINDING)
    rng = np.random.default_rng(5)
    kernel = rng.normal(0, 1e-3, (channels, len(outputs))).astype(np.float32)
    more = ClassifierHead(
        head.hidden_kernel,
        head.hidden_bias,
        head.output_kernel,
        head.output_bias,
        view=Linear(
            np.zeros((channels, len(VIEWS)), np.float32),
            np.array([8.0 if each == view else 0.0 for each in VIEWS], np.float32),
        ),
        findings=Linear(kernel, np.array([(biases or {}).get(each, 0.0) for each in outputs], np.float32)),
    ).to_bytes()
    (folder / "head.npz").write_bytes(more)
    labels = json.loads((folder / "labels.json").read_text())
    labels["version"] = "test-findings"
    labels["head"]["sha256"] = hashlib.sha256(more).hexdigest()
    labels["views"] = list(VIEWS)
    labels["findings"] = [
        {
            "name": each,
            "title": each.replace("_", " ").capitalize(),
            "threshold": 0.3,
            "shown": each != HIDDEN,
        }
        for each in outputs
    ]
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def grid(seed: int) -> np.ndarray:
    """A heat map of its own."""
    cells = np.random.default_rng(seed).random((7, 7), dtype=np.float32)
    return np.asarray(cells / cells.max(), np.float32)


def reading_with_findings(
    label: str = "NIH_MERGED", *, no_finding: float = 0.1, confidence: float = 0.93, **likely: float
) -> Result:
    """What a model with findings could have said; those that are not named are far from likely."""
    shown = [each for each in NAMES if each != HIDDEN]
    said = {each: likely.get(each, 0.01 + number / 1000) for number, each in enumerate(shown)}
    more: dict[str, Any] = {
        "view": {"frontal_chest": 0.97, "lateral_chest": 0.01, "cardiac_mri": 0.01, "none": 0.01},
        "findings": said,
        "no_finding": no_finding,
        "finding_thresholds": dict.fromkeys((*shown, NO_FINDING), 0.3),
        "finding_maps": {each: grid(number) for number, each in enumerate(shown)},
    }
    return reading(label, confidence, **more)
