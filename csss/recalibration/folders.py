"""The model folder of a version that was fitted to this hospital: made in the instance folder from what the database keeps
and the network of the version it was made of, on each machine when it is first needed."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from csss.inference.catalogue import CARD, own_models
from csss.inference.labels import ModelCorrupt, ModelMissing, read_checked
from csss.paths import MODELS, private_folder, write_private


def folder_name(instance: Path, version: str) -> Path:
    """Where the folder of this version is, or will be."""
    return own_models(instance) / version


def as_text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def make_folder(
    instance: Path, labels: Mapping[str, Any], metrics: Mapping[str, Any], card: str, base: Path | None = None
) -> Path:
    """The folder of a fitted version; made when it is not there, mended when a file in it is missing or another one.

    `base` is the folder that it was made of, if not the one of that name among the models of CSSS. Raises `ModelMissing` and
    `ModelCorrupt` when the network is not there any more, or is another one, and when the disk does not take the folder.
    """
    parts = _parts(labels)
    folder = folder_name(instance, labels["version"])
    texts = {CARD: card, "metrics.json": as_text(metrics), "labels.json": as_text(labels)}
    try:
        if folder.is_dir():
            _mend_network(folder, labels, parts, base)
        else:
            _make(instance, folder, network(labels, base))
        for name, text in texts.items():  # labels.json comes last: a folder with it is whole
            _mend(folder / name, text.encode())
    except OSError as error:
        raise ModelMissing(
            f"The folder {folder} cannot be made: {error.strerror or error}. Make room, or let CSSS write there. "
            "Or put another version in use under Classifier, or by CSSS_MODEL."
        ) from error
    return folder


def files_of(folder: Path, labels: Mapping[str, Any]) -> tuple[Path, ...]:
    """Every file that this folder needs."""
    return tuple(folder / name for name in (*_parts(labels), CARD, "metrics.json", "labels.json"))


def _make(instance: Path, folder: Path, files: Mapping[str, bytes]) -> None:
    private_folder(own_models(instance))
    made = Path(tempfile.mkdtemp(dir=instance, prefix=".model-"))
    try:
        for name, content in files.items():
            write_private(made / name, content)
        made.rename(folder)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not folder.is_dir():  # else another process was quicker
            raise


def _mend_network(
    folder: Path, labels: Mapping[str, Any], parts: Mapping[str, str], base: Path | None
) -> None:
    wrong = [name for name, sha256 in parts.items() if not _is(folder / name, sha256)]
    files = network(labels, base) if wrong else {}
    for name in wrong:
        write_private(folder / name, files[name])


def network(labels: Mapping[str, Any], base: Path | None = None) -> dict[str, bytes]:
    """The files that a fitted version shares with the one it was made of. Raises `ModelMissing` and `ModelCorrupt`."""
    parts = _parts(labels)
    base = base or MODELS / labels["base"]["version"]
    try:
        return {name: read_checked(base, name, sha256) for name, sha256 in parts.items()}
    except (ModelMissing, ModelCorrupt) as error:
        raise type(error)(
            f"{labels['version']} was made of {labels['base']['version']}, whose network is needed for it. {error} Or put "
            "another version in use under Classifier, or by CSSS_MODEL."
        ) from error


def _parts(labels: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of each file of the network, by its name. Raises `ModelCorrupt` for what cannot be a folder: the labels
    come from the database, and a name in them must not lead to another place."""
    try:
        parts = [labels["model"], labels["head"], *([labels["outliers"]] if labels.get("outliers") else [])]
        found = {part["file"]: str(part["sha256"]) for part in parts}
        if not all(map(_is_plain, (labels["version"], labels["base"]["version"], *found))):
            raise ValueError("a name leads to another place")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelCorrupt(
            f"What the database keeps of a version is damaged ({type(error).__name__}: {error}). Put another version in use "
            "under Classifier, or by CSSS_MODEL, and run csss recalibrate again."
        ) from error
    return found


def _is_plain(name: str) -> bool:
    return name == Path(name).name and name not in {"", ".."} and "\0" not in name


def _is(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_of(file) == sha256


def _mend(file: Path, content: bytes) -> None:
    if not (file.is_file() and file.read_bytes() == content):
        write_private(file, content)


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
