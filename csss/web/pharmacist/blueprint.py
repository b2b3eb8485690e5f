"""A pharmacist adds prescriptions."""

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from csss.prescriptions import formulary
from csss.prescriptions.safety import interactions

pharmacist = Blueprint("pharmacist", __name__, url_prefix="/pharmacist")


@pharmacist.record_once
def _read_formulary(state: BlueprintSetupState) -> None:
    """Read the formulary at the start, so that an unusable file stops the start and not a prescription."""
    formulary.load(state.app.config["CSSS"].formulary)
    interactions.load(state.app.config["CSSS"].interactions)
