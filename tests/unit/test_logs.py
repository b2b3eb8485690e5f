"""What the log may say: that something failed, where and why, and never what somebody typed."""

import logging
import sys

import pytest
import sqlalchemy as sa

from csss.database import db, transaction
from csss.logs import Discreet, said
from csss.scans.models import Review
from csss.scans.states import Status
from tests.factories import Clinic


@pytest.mark.both_databases
def test_a_row_that_the_database_refuses_is_quoted_nowhere(clinic: Clinic) -> None:
    """SQLAlchemy shows the parameters, PostgreSQL the failing row, both with all its texts."""
    scan = clinic.scan(Status.AI_ANALYZED)
    values = dict.fromkeys(("findings", "impression", "diagnosis"), "Kanarienvogel\nin two lines")
    with pytest.raises(sa.exc.IntegrityError) as caught, transaction():
        db.session.add(
            Review(scan_id=scan.id, version=1, doctor_id=None, read_myself=True, agreement=None, **values)
        )
    try:
        raise RuntimeError("the step could not be taken") from caught.value
    except RuntimeError:
        line = Discreet().format(logging.LogRecord("csss", 40, "", 1, "It failed", None, sys.exc_info()))
    assert (
        "RuntimeError: the step could not be taken" in line
        and "IntegrityError" in line
        and "Traceback" in line
    )
    assert "Kanarienvogel" not in line and "two lines" not in line
    assert "Kanarienvogel" not in said(caught.value) and "reviews" in said(caught.value)
