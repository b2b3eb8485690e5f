"""Versions of the classifier for this hospital: an administrator compares them, puts one in use, and goes back one step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, flash, request, url_for
from sqlalchemy import select

from csss.database import db
from csss.errors import Invalid
from csss.i18n import _, _n
from csss.inference.labels import ModelCorrupt, ModelMissing, default_folder
from csss.people.permissions import Permission
from csss.recalibration import services
from csss.recalibration.in_use import folder_in_use
from csss.recalibration.models import ModelChoice, Recalibration
from csss.web.forms import clean
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import try_step

model_versions = Blueprint("model_versions", __name__, url_prefix="/models/versions")

AS_INSTALLED = "installed"
"""What the form sends for the version that CSSS comes with, whichever that is."""
SHOWN_CHOICES = 20


@dataclass(frozen=True)
class Compared:
    """A figure of a version and of the version it was fitted from, on the same readings, each with its interval."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class VersionRow:
    """A version that can be put in use; the one that CSSS comes with has no figures from this hospital."""

    value: str
    name: str
    url: str
    in_use: bool
    made_at: datetime | None = None
    readings: str = ""
    figures: tuple[Compared, ...] = ()
    verdict: str = ""
    is_better: bool = True


@model_versions.get("")
@requires(Permission.MODEL_CHOOSE)
def page() -> Response:
    """Show all versions side by side, the one in use, and who chose which version when."""
    return _show()


@model_versions.post("/use")
@requires(Permission.MODEL_CHOOSE)
def use() -> Response:
    """Put a version in use; the next scan is read by it."""

    def choose() -> None:
        value = clean(request.form.get("version"))  # PostgreSQL stores no zero byte
        if not value:
            raise Invalid(version=_("There is no such version."))
        services.choose("" if value == AS_INSTALLED else value, seen=_seen(), by=me())

    return _step(choose)


@model_versions.post("/back")
@requires(Permission.MODEL_CHOOSE)
def back() -> Response:
    """Go back to the version that was in use before."""

    def go_back() -> None:
        services.step_back(seen=_seen(), by=me())

    return _step(go_back)


def _seen() -> int:
    return request.form.get("seen", -1, type=int)


def _step(step: Callable[[], object]) -> Response:
    refused = try_step(step, _show)
    if refused is not None:
        return refused
    flash(_("The version is in use from the next scan on. What was read before stays as it is."), "success")
    return redirect_after(url_for(".page"))


def _show(status: int = 200, conflict: str | None = None) -> Response:
    named = current_app.config["CSSS"].model
    newest = services.newest_choice()
    chosen = newest.version if newest else ""
    before = services.choice_before(newest)
    problem = None
    try:
        in_use = folder_in_use().name
    except (ModelMissing, ModelCorrupt) as error:
        in_use, problem = chosen, str(error)
    fitted = db.session.scalars(select(Recalibration).order_by(Recalibration.number.desc())).all()
    choices = db.session.scalars(select(ModelChoice).order_by(ModelChoice.number.desc()).limit(SHOWN_CHOICES))
    values: dict[str, Any] = {
        "rows": _rows(fitted, None if named else chosen),
        "named": named,
        "threshold": current_app.config["CSSS"].threshold,
        "in_use": in_use,
        "problem": problem,
        "seen": newest.number if newest else 0,
        "goes_back_to": None if before is None or named else before or _installed(),
        "choices": choices.all(),
        "installed": _installed(),
        "conflict": conflict,
    }
    return page_or_fragment("models/versions.html", "models/_versions.html", status=status, **values)


def _installed() -> str:
    """The version that CSSS comes with."""
    try:
        return default_folder().name
    except ModelMissing:
        return _("none")


def _rows(fitted: Sequence[Recalibration], chosen: str | None) -> list[VersionRow]:
    name = _installed()
    first = VersionRow(AS_INSTALLED, name, url_for("models.card", version=name), chosen == "")
    return [*(_row(each, chosen == each.version) for each in fitted), first]


def _row(row: Recalibration, in_use: bool) -> VersionRow:
    try:
        return _with_figures(row, in_use)
    except (AttributeError, KeyError, TypeError, ValueError):  # not as `csss recalibrate` has written them
        return VersionRow(
            value=row.version,
            name=row.version,
            url=url_for("models.card", version=row.version),
            in_use=in_use,
            made_at=row.made_at,
            verdict=_("The figures of this version are damaged: do not put it in use."),
            is_better=False,
        )


def _with_figures(row: Recalibration, in_use: bool) -> VersionRow:
    found = row.metrics["hospital"]
    chance = found["after"]["calibration_error_by_chance"]
    labels = {
        "right": _("Right"),
        "calibration_error": _("Calibration error (%(chance)s by chance alone)", chance=_percent(chance)),
        "accepted": _("Accepted"),
        "right_accepted": _("Right among the accepted"),
    }
    verdicts = {
        "better": _("The probabilities fit better than before."),
        "worse": _("The probabilities fit worse than before: do not put it in use."),
        "not shown to be better": _("It is not shown that the probabilities fit better than before."),
    }
    patients = found["held_back"]["patients"]
    return VersionRow(
        value=row.version,
        name=row.version,
        url=url_for("models.card", version=row.version),
        in_use=in_use,
        made_at=row.made_at,
        readings=_n(
            "%(readings)s readings of %(num)s patient that was held back; fitted to %(fitted)s others of %(version)s",
            "%(readings)s readings of %(num)s patients that were held back; fitted to %(fitted)s others of %(version)s",
            patients,
            readings=found["held_back"]["used"],
            fitted=found["fitting"]["used"],
            version=found["fitted_to"],
        ),
        figures=tuple(
            Compared(label, _with_interval(found["before"][name]), _with_interval(found["after"][name]))
            for name, label in labels.items()
        ),
        verdict=verdicts[found["verdict"]],
        is_better=found["verdict"] == "better",
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f}\u00a0%"


def _with_interval(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return _(
        "%(value)s (%(low)s to %(high)s)",
        value=_percent(found["value"]),
        low=_percent(low),
        high=_percent(high),
    )
