"""SQLite: after erasing through the page no byte of the person is left in the database's file or its write-ahead log."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from csss.config import Settings
from csss.database import db
from csss.erasing import leftovers
from csss.erasing.models import ErasedFile
from csss.people.models import User
from tests.integration.erasing.life import CANARY, Life, erase_address, fresh_code, make_due


def traces(settings: Settings, *wanted: str) -> dict[str, int]:
    """How often what is wanted stands in each file of the instance."""
    found = {}
    for path in Path(settings.instance).rglob("*"):
        content = path.read_bytes().lower() if path.is_file() else b""
        if number := sum(content.count(each.encode()) for each in wanted):
            found[path.name] = number
    return found


def erase_on_the_page(life: Life) -> None:
    visitor = life.clinic.visitor(db.session.get_one(User, life.admin))
    typed = {"reason": "Asked for", "mrn": life.mrn, "code": fresh_code(life, visitor)}
    address = erase_address(life)
    db.session.remove()  # an open transaction would be a reader
    assert visitor.post(address, typed).status_code == 303
    db.session.remove()


def test_nothing_is_left_in_the_file_and_its_log_once_the_page_has_answered(
    life: Life, settings: Settings
) -> None:
    db.session.remove()
    assert traces(settings, CANARY, life.mrn)["csss.db"] > 10
    erase_on_the_page(life)
    assert traces(settings, CANARY, life.mrn) == {}


def test_while_somebody_reads_it_is_owed_and_done_afterwards(life: Life, settings: Settings) -> None:
    """A backup, a long list: the log cannot be cut while its older pages are being read."""
    reader = sqlite3.connect(Path(settings.instance) / "csss.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM users").fetchone()
    erase_on_the_page(life)
    assert traces(settings, CANARY) != {}
    assert leftovers.owed() == 0  # no file is left, and nobody is told that one is
    reader.close()
    make_due(leftovers.PAUSE)
    while leftovers.sweep():  # as the workers do every minute
        pass
    db.session.remove()
    assert traces(settings, CANARY, life.mrn) == {}


def test_a_while_later_the_file_is_written_anew_if_that_takes_no_time(
    life: Life, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[float] = []
    scrub = leftovers.scrub

    def noted(*, patience: float) -> bool:
        written.append(patience)
        return scrub(patience=patience)

    monkeypatch.setattr(leftovers, "scrub", noted)
    erase_on_the_page(life)
    assert written == []
    make_due(leftovers.AGAIN)
    while leftovers.sweep():
        pass
    assert len(written) == 1 and db.session.scalars(select(ErasedFile)).all() == []
    monkeypatch.setattr(leftovers, "SMALL", 1)
    assert leftovers._clean(again=True) and len(written) == 1  # a large file waits for the deployer's word
