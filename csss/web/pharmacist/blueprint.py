"""A pharmacist adds prescriptions."""

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from csss.prescriptions import formulary

pharmacist = Blueprint("pharmacist", __name__, url_prefix="/pharmacist")


@pharmacist.record_once
def _read_formulary(state: BlueprintSetupState) -> None:
    """A file that cannot be used is refused when the application starts, not when somebody prescribes."""
    formulary.load(state.app.config["CSSS"].formulary)
