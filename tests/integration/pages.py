"""What the tests of all roles' pages look for."""

import uuid

from werkzeug.test import TestResponse

from csss.database import db
from csss.scans.models import Scan
from tests.visitor import soup


def fresh(scan_id: uuid.UUID) -> Scan:
    """The scan as the database holds it now."""
    db.session.remove()
    return db.session.get_one(Scan, scan_id)


def one_root(answer: TestResponse, root: str) -> None:
    """The answer is a fragment: one element with this id, and no page around it."""
    page = soup(answer)
    assert page.select_one("html") is None
    tags = [tag for tag in page.find_all(recursive=False) if tag.name != "hx-partial"]
    assert [tag.get("id") for tag in tags] == [root]
    assert "HX-Request" in answer.headers["Vary"]
