"""Show staff the installed models with their figures, and each model's card."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, make_response, url_for
from markupsafe import Markup

from csss.i18n import _, language
from csss.inference.catalogue import CARD, installed, model_record
from csss.inference.labels import ModelCorrupt, ModelMissing
from csss.people.permissions import Permission
from csss.recalibration.in_use import folder_in_use, folder_of, installed_folder, is_fitted
from csss.web.fetch_site import not_from_elsewhere
from csss.web.fragments import page_or_fragment
from csss.web.guard import me, requires
from csss.web.headers import FILE_CSP
from csss.web.markdown import render

models = Blueprint("models", __name__, url_prefix="/models")


@dataclass(frozen=True)
class ModelRow:
    """One installed model; figures are words, None where it has not been measured. `problem`: why it cannot be used."""

    version: str
    active: bool
    url: str | None
    figures: tuple[tuple[str, str | None], ...]
    problem: str | None = None


@models.get("")
@requires(Permission.MODEL_READ)
def index() -> Response:
    """All installed models, the active one first."""
    rows, problem, fitted = [], None, None
    try:
        in_use = folder_in_use()
        found = sorted(installed(in_use), key=lambda each: not each[1])
        rows = [_row(folder, active) for folder, active in found if not is_fitted(folder.name)]
        fitted = in_use.name if is_fitted(in_use.name) else None
    except (ModelMissing, ModelCorrupt) as error:
        problem = str(error)
    names = next((row.figures for row in rows if row.figures), ())
    columns = [{"label": name, "class": "num"} for name, _value in names]
    versions_url = url_for("model_versions.page") if me().may(Permission.MODEL_CHOOSE) else None
    values: dict[str, Any] = {
        "rows": rows,
        "columns": columns,
        "problem": problem,
        "fitted": fitted,
        "versions_url": versions_url,
    }
    return page_or_fragment("models/models.html", "models/_models.html", **values)


@models.get("/<version>")
@requires(Permission.MODEL_READ)
def card(version: str) -> Response:
    """A model's card as a page."""
    folder = _folder(version)
    file = folder / CARD
    text = _card_html(file, file.stat().st_mtime_ns, version, language()) if file.is_file() else None
    values: dict[str, Any] = {"row": _row(folder, _is_in_use(folder)), "card": text}
    return page_or_fragment("models/card.html", "models/_card.html", **values)


@models.get("/<version>/<name>.png")
@requires(Permission.MODEL_READ)
@not_from_elsewhere
def plot(version: str, name: str) -> Response:
    """A picture of a model folder. Only names of existing files are accepted, so no other path can be requested."""
    file = _plots(_folder(version)).get(name)
    if file is None:
        abort(404)
    response = make_response(file.read_bytes())
    response.headers["Content-Type"] = "image/png"
    response.headers["Content-Security-Policy"] = FILE_CSP
    return response


def card_url(version: str) -> str | None:
    """The address of the card of the model that made a prediction; None when it is not installed any more."""
    return url_for("models.card", version=version) if _find(version) is not None else None


def _folder(version: str) -> Path:
    return _find(version) or abort(404)


def _find(version: str) -> Path | None:
    """The folder of a model; None when it is not there any more."""
    # Possibly no model is installed, or the network of a fitted version is missing.
    with suppress(ModelMissing, ModelCorrupt):
        return folder_of(version) if is_fitted(version) else _folder_of(version, installed_folder())
    return None


# The models that CSSS comes with change only with a restart. Every reading page asks, also for a missing model, so that
# answer is cached, too.
@lru_cache(maxsize=32)
def _folder_of(version: str, named: Path) -> Path | None:
    for folder, active in installed(named):
        with suppress(ModelMissing, ModelCorrupt):  # the list says so
            if model_record(folder, active)["version"] == version:
                return folder
    return None


def _is_in_use(folder: Path) -> bool:
    with suppress(ModelMissing, ModelCorrupt):  # the page of the versions says so
        return folder.resolve() == folder_in_use().resolve()
    return False


def _plots(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.png")) if file.is_file()}


@lru_cache(maxsize=16)
def _card_html(file: Path, changed: int, version: str, tongue: str) -> Markup:
    """The card as HTML, made once for each state of the file (`changed`) and language (`tongue`)."""
    there = _plots(file.parent)

    def address(source: str) -> str | None:
        name = source.removesuffix(".png")
        return url_for("models.plot", version=version, name=name) if name in there else None

    label = _("%(heading)s, table %(number)s", heading="{heading}", number="{number}")
    return render(file.read_text(encoding="utf-8"), address, label)


def _row(folder: Path, active: bool) -> ModelRow:
    try:
        record = model_record(folder, active)
    except (ModelMissing, ModelCorrupt) as error:
        return ModelRow(folder.name, active, None, (), str(error))

    def percent(key: str) -> str | None:
        return None if record[key] is None else f"{record[key] * 100:.1f} %"

    f1 = record["macro_f1"]
    return ModelRow(
        version=record["version"],
        active=active,
        url=url_for("models.card", version=record["version"]),
        figures=(
            (_("Macro-F1"), None if f1 is None else f"{f1:.3f}"),
            (_("Right"), percent("accuracy")),
            (_("Accepted"), percent("accepted")),
            (_("Wrong among the accepted"), percent("error_accepted")),
            (_("Calibration error"), percent("calibration_error")),
            (_("Refuses other pictures"), _("yes") if record["knows_other_pictures"] else _("no")),
            (_("Names findings"), _("yes") if record["names_findings"] else _("no")),
        ),
    )
