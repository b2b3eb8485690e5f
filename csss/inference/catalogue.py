"""List the installed models, which one is active, and their properties."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from csss.inference.labels import default_folder, read_info
from csss.paths import MODELS

CARD = "MODEL_CARD.md"


def installed(named: str = "") -> Iterator[tuple[Path, bool]]:
    """Every model folder in `models/` by name, plus the one `named` if it is elsewhere; with a flag for the active
    one.

    `named` is the setting CSSS_MODEL; if empty, `models/ACTIVE` names the active one. Raises `ModelMissing` when
    there is none.
    """
    active = (Path(named).expanduser() if named else default_folder()).resolve()
    folders = sorted(file.parent.resolve() for file in MODELS.glob("*/labels.json"))
    for folder in folders if active in folders else [*folders, active]:
        yield folder, folder == active


def model_record(folder: Path, active: bool) -> dict[str, Any]:
    """A model's properties: version, date, input, and its figures on held-out images, if present.

    Raises `ModelMissing` and `ModelCorrupt`.
    """
    info, file = read_info(folder), folder / "metrics.json"
    test = json.loads(file.read_text(encoding="utf-8")).get("test") if file.is_file() else None
    return {
        "version": info.version,
        "active": active,
        "created": info.created,
        "input": info.input_size,
        "threshold": info.threshold,
        "knows_other_pictures": info.outliers_file is not None,
        "images": test["images"] if test else None,
        "accuracy": test["accuracy"] if test else None,
        "macro_f1": test["macro"]["f1"] if test else None,
        "accepted": test["selective"]["acceptance_rate"] if test else None,
        "error_accepted": test["selective"]["error_accepted"] if test else None,
        "calibration_error": test["calibration"]["ece_after"] if test else None,
        "folder": str(folder),
    }
