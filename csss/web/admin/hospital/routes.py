"""Routes: the hospital's settings."""

from typing import Any

from flask import Response, current_app, flash, request, url_for

from csss.config import environment_name
from csss.database import transaction
from csss.hospital import services
from csss.hospital.current import from_environment, hospital
from csss.i18n import _
from csss.people.permissions import Permission
from csss.prescriptions.formulary_in_use import check_formulary, hospital_formulary, kept_problem
from csss.scans.logos import take_logo
from csss.web.admin.blueprint import admin
from csss.web.admin.hospital.forms import HospitalForm
from csss.web.fragments import UNPROCESSABLE, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before

# Fields of the form that an environment variable sets.
_VARIABLES = {"name": "hospital_name", "address": "hospital_address", "formulary": "formulary"}


@admin.get("/hospital")
@requires(Permission.HOSPITAL_CHANGE)
def hospital_settings() -> Response:
    """The settings as they are, the form, and the last changes."""
    sent = typed_before("admin.change_hospital")
    return _show(HospitalForm(sent) if sent is not None else None)


@admin.post("/hospital")
@requires(Permission.HOSPITAL_CHANGE)
@comes_back_on("admin.hospital_settings")
def change_hospital() -> Response:
    """Store new settings; they count in every process at once. Pictures and files are checked before."""
    form = HospitalForm()

    def show(status: int, sentence: str | None) -> Response:
        return _show(None if status == CONFLICT else form, status, sentence)

    if not form.validate():
        return show(UNPROCESSABLE, None)

    def step() -> None:
        wanted = services.HospitalChange(
            texts={name: form[name].data or "" for name in services.LENGTHS if name not in _set_outside()},
            logo=_logo(),
            formulary=_formulary(),
            without=frozenset(name for name in ("logo", "formulary") if form[f"without_{name}"].data),
        )
        seen = request.form.get("seen", -1, type=int)
        with transaction():
            services.change(wanted, seen=seen, by=me())

    refused = try_step(step, show, form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(
        _("The settings of the hospital are changed. Reports that have been made stay as they are."),
        "success",
    )
    return redirect_after(url_for(".hospital_settings"))


def _logo() -> services.Logo | None:
    sent = request.files.get("logo")
    return services.Logo(*take_logo(sent.stream.read())) if sent is not None and sent.filename else None


def _formulary() -> services.FormularyFile | None:
    sent = request.files.get("formulary")
    if sent is None or not sent.filename or "formulary" in _set_outside():
        return None
    name = "".join(each for each in sent.filename.rpartition("/")[2] if each.isprintable())
    return services.FormularyFile(name, check_formulary(sent.stream.read()))


def _set_outside() -> dict[str, str]:
    """The fields that an environment variable sets, each with its name."""
    return {
        field: environment_name(setting) for field, setting in _VARIABLES.items() if from_environment(setting)
    }


def _show(form: HospitalForm | None = None, status: int = 200, sentence: str | None = None) -> Response:
    newest, shown = services.newest(), hospital()
    kept = {name: getattr(newest, name) if newest else "" for name in services.LENGTHS}
    values: dict[str, Any] = {
        "form": form or HospitalForm(formdata=None, data=kept),
        "seen": newest.number if newest else 0,
        "shown": shown,
        "outside": _set_outside(),
        "formulary_name": newest.formulary_name if newest else "",
        "medicines": len(hospital_formulary().medicines),
        "formulary_problem": kept_problem(),
        "default_name": current_app.config["CSSS"].hospital_name,
        "history": services.history(),
        "conflict": sentence if status == CONFLICT else None,
        "unplaced": [sentence] if sentence and status != CONFLICT else [],
    }
    return page_or_fragment("admin/hospital.html", "admin/_hospital.html", status, **values)
