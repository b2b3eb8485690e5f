"""Fitting a new version, putting a version in use, and going back one step. What writes belongs inside transaction()."""

import json
import math
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from csss.audit.record import About, record
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.inference.labels import (
    ModelCorrupt,
    ModelInfo,
    ModelMissing,
    check_files,
    default_folder,
    read_info,
)
from csss.people.models import User
from csss.recalibration.card import card_of
from csss.recalibration.figures import before_and_after, verdict
from csss.recalibration.fit import Fitted, Sample, TooFewReadings, divided, fit, missing
from csss.recalibration.folders import sha256_of
from csss.recalibration.in_use import folder_of
from csss.recalibration.models import ModelChoice, Recalibration
from csss.recalibration.readings import (
    NAMING,
    Says,
    VerifiedReading,
    counts,
    of_other_versions,
    verified_readings,
)

USUAL_TARGET = 0.9
"""Where the card of the version says nothing of it."""


@dataclass(frozen=True)
class NewVersion:
    """What a fit has come to: the texts of its folder."""

    labels: dict[str, Any]
    metrics: dict[str, Any]
    card: str


def fit_version(
    folder: Path, *, target: float | None = None, named: Mapping[uuid.UUID, str] | None = None
) -> NewVersion:
    """Fit the version in this folder to the verified readings of what it has read; nothing is kept yet.

    `target` is the share of right answers among the accepted, by default what the version's metrics say of it; `named` are
    the classes of scans from a list. Raises `TooFewReadings`, `NoThreshold`.
    """
    return fitted_to(verified_readings(read_info(folder), named), folder, target)


def fitted_to(readings: list[VerifiedReading], folder: Path, target: float | None = None) -> NewVersion:
    """The same for readings that are at hand."""
    info = read_info(folder)
    if lacking := missing(info, readings):
        raise TooFewReadings(_too_few(info, readings, lacking))
    looked_at = [each for each in readings if each.says is not Says.UNLIKE]
    to_fit, held_back = divided(looked_at)
    target = target_of(folder) if target is None else target
    fitted = fit(Sample.of(info, to_fit), target)
    limit = current_app.config["CSSS"].threshold
    threshold_before = info.threshold if limit is None else limit
    figures = before_and_after(Sample.of(info, held_back), fitted, threshold_before)
    labels = _labels(folder, info, fitted)
    hospital = {
        "fitted_to": info.version,
        "target": target,
        "temperature": fitted.temperature,
        "bias": dict(zip(info.names, fitted.bias, strict=True)),
        "readings": {each.name.lower(): number for each, number in counts(readings).items()},
        "by_class": _by_class(info, readings),
        "fitting": _size(to_fit),
        "held_back": _size(held_back),
        "verdict": verdict(figures),
        **figures,
    }
    metrics = {"version": labels["version"], "hospital": hospital}
    return NewVersion(labels, metrics, card_of(info, labels, hospital))


def target_of(folder: Path) -> float:
    """How often the accepted answers of a version were right: on this hospital's readings where it was fitted to them, else
    on the held-back images of its training data."""
    file = folder / "metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if "hospital" in metrics:
        return float(metrics["hospital"]["target"])
    wrong = metrics.get("test", {}).get("selective", {}).get("error_accepted")
    return USUAL_TARGET if wrong is None else math.floor((1 - wrong) * 100) / 100


def keep(new: NewVersion) -> Recalibration:
    """Keep a fitted version. It is not in use by that. Raises StateConflict when another one has taken its name."""
    row = Recalibration(
        id=uuid.uuid4(),
        number=_next_number(),
        version=new.labels["version"],
        labels=new.labels,
        metrics=new.metrics,
        card=new.card,
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError as error:
        raise StateConflict(
            _(
                "Another csss recalibrate has made %(version)s meanwhile. Nothing was kept. Look at that version, or run "
                "the command again.",
                version=new.labels["version"],
            )
        ) from error
    fitted_to = new.metrics["hospital"]["fitted_to"]
    record("model.recalibrated", About("model", row.version), fitted_to=fitted_to)
    return row


def _next_number() -> int:
    return (db.session.scalar(select(func.max(Recalibration.number))) or 0) + 1


def _labels(folder: Path, info: ModelInfo, fitted: Fitted) -> dict[str, Any]:
    """labels.json of the new version: temperature and biases of the old one and of the fit as one step on the network's
    output, softmax(log p / T + b)."""
    raw: dict[str, Any] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    bias = np.array(info.bias) / fitted.temperature + np.array(fitted.bias)
    base = raw.get("base") or {"version": info.version, "labels_sha256": sha256_of(folder / "labels.json")}
    return raw | {
        "version": f"{base['version']}+h{_next_number()}",
        "created": now().date().isoformat(),
        "temperature": info.temperature * fitted.temperature,
        "bias": dict(zip(info.names, bias.tolist(), strict=True)),
        "threshold": fitted.threshold,
        "base": base,
    }


def _size(readings: list[VerifiedReading]) -> dict[str, int]:
    used = [each for each in readings if each.possible]
    return {
        "readings": len(readings),
        "used": len(used),
        "patients": len({each.patient_id for each in readings}),
    }


def _by_class(info: ModelInfo, readings: list[VerifiedReading]) -> dict[str, int]:
    found = Counter(next(iter(each.possible)) for each in readings if each.says in NAMING)
    return {name: found[name] for name in info.names}


def _too_few(info: ModelInfo, readings: list[VerifiedReading], lacking: list[str]) -> str:
    lines = [
        f"The verified readings of {info.version} are too few. Missing:",
        *(f"- {each}" for each in lacking),
    ]
    lines.append(f"There are {len(readings)} verified readings of {info.version}:")
    lines += [f"- {number} {says.value}" for says, number in counts(readings).items() if number]
    named = ", ".join(f"{name} {number}" for name, number in _by_class(info, readings).items())
    lines.append(f"Named classes: {named}.")
    if others := of_other_versions(info.version):
        told = ", ".join(f"{version} {number}" for version, number in others.items())
        lines.append(f"Readings of other versions do not count for it: {told}.")
    return "\n".join(lines)


def newest_choice() -> ModelChoice | None:
    """The choice that counts; None as long as nobody has chosen."""
    return db.session.scalar(select(ModelChoice).order_by(ModelChoice.number.desc()).limit(1))


def choice_before(choice: ModelChoice | None) -> str | None:
    """The version that one step back returns to, blank for the one that CSSS comes with; None when there is no way back."""
    if choice is None or choice.goes_back_to is None:
        return None
    return _version_of(choice.goes_back_to)


def _version_of(number: int) -> str:
    found = db.session.scalar(select(ModelChoice.version).where(ModelChoice.number == number))
    return found or ""


def choose(version: str, *, seen: int, by: User) -> ModelChoice:
    """Put a version in use; blank: the one that CSSS comes with. `seen` is the number of the choice that the page showed.

    Raises Invalid, StateConflict.
    """
    newest = _unchanged(seen)
    known = select(Recalibration.id).where(Recalibration.version == version)
    if version and db.session.scalar(known) is None:
        raise Invalid(version=_("There is no such version."))
    if version == (newest.version if newest else ""):
        raise StateConflict(_("This version is in use already."))
    _check_it_reads(version)
    return _keep_choice(version, newest, goes_back_to=newest.number if newest else 0, by=by)


def step_back(*, seen: int, by: User) -> ModelChoice:
    """Put the version in use again that was in use before. Raises StateConflict."""
    newest = _unchanged(seen)
    if newest is None or newest.goes_back_to is None:
        raise StateConflict(_("There is no version to go back to."))
    before = db.session.scalar(select(ModelChoice).where(ModelChoice.number == newest.goes_back_to))
    _check_it_reads(before.version if before else "")
    return _keep_choice(
        before.version if before else "", newest, goes_back_to=before.goes_back_to if before else None, by=by
    )


def _check_it_reads(version: str) -> None:
    """Raises StateConflict for a version with which nothing would be read any more."""
    try:
        check_files(read_info(folder_of(version) if version else default_folder()))
    except (ModelMissing, ModelCorrupt) as error:
        raise StateConflict(str(error)) from error


def _unchanged(seen: int) -> ModelChoice | None:
    if current_app.config["CSSS"].model:
        raise StateConflict(_("CSSS_MODEL names the model: nothing can be chosen here."))
    newest = newest_choice()
    if (newest.number if newest else 0) != seen:
        raise StateConflict(_("Somebody else has chosen a version in the meantime. Load the page again."))
    return newest


def _keep_choice(
    version: str, newest: ModelChoice | None, *, goes_back_to: int | None, by: User
) -> ModelChoice:
    row = ModelChoice(
        id=uuid.uuid4(),
        number=(newest.number if newest else 0) + 1,
        version=version,
        goes_back_to=goes_back_to,
        chosen_by_id=by.id,
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError as error:  # of two at once the second one finds the number taken
        raise StateConflict(
            _("Somebody else has chosen a version in the meantime. Load the page again.")
        ) from error
    record(
        "model.chosen",
        About("model", version or "as installed"),
        by=by,
        instead_of=(newest.version if newest else "") or "as installed",
    )
    return row
