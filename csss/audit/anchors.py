"""Store heads of the audit chain outside the database, so that nobody can cut off its end unnoticed.

Every few minutes the workers of each machine append a line to a file in the instance folder and to their log, which
is often sent to another machine. An attacker who has only the database reaches neither.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flask import current_app

from csss.audit import chain
from csss.clock import now
from csss.database import db
from csss.paths import private_folder

log = logging.getLogger(__name__)

NAME = "audit-anchors.jsonl"
EVERY_SECONDS = 300


@dataclass(frozen=True)
class Anchor:
    """The newest seal at a given time."""

    number: int
    hash: str
    at: datetime


def path() -> Path:
    folder: Path = current_app.config["CSSS"].instance_folder
    return folder / NAME


def keep_now_and_then() -> None:
    """Append the head to the file, at most every five minutes and only if it is new. Never raises OSError."""
    file = path()
    try:
        if file.exists() and now().timestamp() - file.stat().st_mtime < EVERY_SECONDS:
            return
        newest = chain.head()
        db.session.rollback()
        if newest.number and newest.number != max((each.number for each in _last(file)), default=0):
            keep(newest)
    except OSError as error:
        log.warning("the audit log's newest seal could not be stored in %s: %s", file, error)


def keep(newest: chain.ChainHead) -> None:
    """Append a line, in a single write, so that two processes cannot interleave theirs."""
    line = json.dumps({"number": newest.number, "hash": newest.hash, "at": now().isoformat()}) + "\n"
    target = path()
    private_folder(target.parent)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    log.info("the newest seal of the audit log: %d:%s", newest.number, newest.hash)


def kept(file: Path) -> list[Anchor]:
    """All anchors of a file; none when it does not exist. A truncated line is skipped."""
    return list(_read(file.read_text("utf-8"))) if file.exists() else []


def _last(file: Path) -> list[Anchor]:
    """The last few anchors, without reading a file that holds years."""
    if not file.exists():
        return []
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 2_000))
        return list(_read(opened.read().decode(errors="replace")))


def _read(text: str) -> Iterator[Anchor]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
            yield Anchor(int(found["number"]), str(found["hash"]), datetime.fromisoformat(found["at"]))
        except (ValueError, KeyError, TypeError):
            continue
