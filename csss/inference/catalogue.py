"""List the installed models, which one is active, and their properties."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from csss.inference.labels import read_info
from csss.paths import MODELS

CARD = "MODEL_CARD.md"


def own_models(instance: Path) -> Path:
    """The folder of the versions that were fitted to the hospital."""
    return instance / "models"


def installed(active: Path, own: Path | None = None) -> Iterator[tuple[Path, bool]]:
    """Every model folder in `models/` by name, plus the `active` one if it is elsewhere; with a flag for the active one.

    Those in `own`, the versions that were fitted to the hospital, follow.
    """
    active = active.resolve()
    roots = (MODELS, own) if own is not None else (MODELS,)
    folders = [each.parent.resolve() for root in roots for each in sorted(root.glob("*/labels.json"))]
    for folder in folders if active in folders else [*folders, active]:
        yield folder, folder == active


def model_record(folder: Path, active: bool) -> dict[str, Any]:
    """A model's properties: version, date, input, and its figures on held-out images, if present.

    The figures of a version that was fitted to the hospital are of the hospital's readings that were held back. Raises
    `ModelMissing` and `ModelCorrupt`.
    """
    info, file = read_info(folder), folder / "metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {
        "version": info.version,
        "active": active,
        "base": info.base,
        "created": info.created,
        "input": info.input_size,
        "threshold": info.threshold,
        "knows_other_pictures": info.outliers_file is not None,
        "names_findings": info.names_findings,
        **(_on_hospital(metrics["hospital"]) if "hospital" in metrics else _on_images(metrics.get("test"))),
        "folder": str(folder),
    }


def _on_images(test: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "images": test["images"] if test else None,
        "accuracy": test["accuracy"] if test else None,
        "macro_f1": test["macro"]["f1"] if test else None,
        "accepted": test["selective"]["acceptance_rate"] if test else None,
        "error_accepted": test["selective"]["error_accepted"] if test else None,
        "calibration_error": test["calibration"]["ece_after"] if test else None,
    }


def _on_hospital(found: dict[str, Any]) -> dict[str, Any]:
    after = {name: each["value"] for name, each in found["after"].items() if isinstance(each, dict)}
    return {
        "images": found["held_back"]["used"],
        "accuracy": after["right"],
        "macro_f1": None,
        "accepted": after["accepted"],
        "error_accepted": 1 - after["right_accepted"],
        "calibration_error": after["calibration_error"],
    }
