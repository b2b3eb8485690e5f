"""A patient who is erased leaves every study: key, readings, and the exported picture where it still lies."""

import logging
from collections.abc import Collection
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from csss.database import db
from csss.scans.models import Scan
from csss.study.protocol import StudyRefused
from csss.study.study_folder import StudyFolder, all_studies

log = logging.getLogger(__name__)
_AT_ONCE = 500


def take_out(study: StudyFolder) -> None:
    """Every scan of the study that the database does not know any more, and what is left of those taken out before."""
    with study.alone():
        scans = study.scans()
        there = _still_there(list(scans.values()))
        gone = {number for number, scan in scans.items() if scan not in there}
        gone |= study.numbers_read() - scans.keys()
        if gone or study.left_pictures():
            study.withdraw(gone)


def _still_there(scans: Collection[UUID]) -> set[UUID]:
    """Asked on a connection of its own: the session's may still show the database as it was a while ago."""
    asked = list(scans)
    with db.engine.connect() as connection:
        return {
            found
            for begin in range(0, len(asked), _AT_ONCE)
            for found in connection.scalars(
                select(Scan.id).where(Scan.id.in_(asked[begin : begin + _AT_ONCE]))
            )
        }


def take_out_of_all() -> None:
    """Right after an erasure. Never raises: every command on a study does the same before anything else."""
    for study in all_studies(current_app.config["CSSS"]):
        try:
            take_out(study)
        except (OSError, ValueError, StudyRefused):
            log.exception("an erased patient could not be taken out of the study %s yet", study.name)
    db.session.commit()
