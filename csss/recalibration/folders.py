"""The model folder of a version that was fitted to this hospital: made in the instance folder from what the database keeps
and the network of the version it was made of, on each machine when it is first needed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from csss.inference.catalogue import CARD, own_models
from csss.inference.labels import ModelCorrupt, ModelMissing, read_checked
from csss.paths import MODELS, private_folder


def folder_name(instance: Path, version: str) -> Path:
    """Where the folder of this version is, or will be."""
    return own_models(instance) / version


def as_text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def make_folder(
    instance: Path, labels: Mapping[str, Any], metrics: Mapping[str, Any], card: str, base: Path | None = None
) -> Path:
    """The folder of a fitted version; made when it is not there, mended when a text in it is another one.

    `base` is the folder that it was made of, if not the one of that name among the models of CSSS. Raises `ModelMissing` and
    `ModelCorrupt` when the network is not there any more, or is another one.
    """
    folder = folder_name(instance, labels["version"])
    # labels.json comes last: a folder with it is whole.
    texts = {CARD: card, "metrics.json": as_text(metrics), "labels.json": as_text(labels)}
    if (folder / "labels.json").is_file():
        for name, text in texts.items():
            _mend(folder / name, text)
        return folder
    files = network(labels, base)
    private_folder(own_models(instance))
    made = Path(tempfile.mkdtemp(dir=instance, prefix=".model-"))
    try:
        for name, content in files.items():
            (made / name).write_bytes(content)
        for name, text in texts.items():
            (made / name).write_text(text, encoding="utf-8")
        made.rename(folder)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not (folder / "labels.json").is_file():  # else another process was quicker
            raise
    return folder


def network(labels: Mapping[str, Any], base: Path | None = None) -> dict[str, bytes]:
    """The files that a fitted version shares with the one it was made of. Raises `ModelMissing` and `ModelCorrupt`."""
    base = base or MODELS / labels["base"]["version"]
    parts = [labels["model"], labels["head"], *([labels["outliers"]] if labels.get("outliers") else [])]
    try:
        return {part["file"]: read_checked(base, part["file"], part["sha256"]) for part in parts}
    except (ModelMissing, ModelCorrupt) as error:
        raise type(error)(
            f"{labels['version']} was made of {labels['base']['version']}, whose network is needed for it. {error} Or put "
            "another version in use under Classifier, or by CSSS_MODEL."
        ) from error


def _mend(file: Path, text: str) -> None:
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        target.write(text)
    Path(name).replace(file)


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
