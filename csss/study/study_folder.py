"""Where a study lies: a folder for its owner alone, below CSSS_INSTANCE, in which every write is whole or not there.
Whoever reads to write again does so `alone`.

- `study.json`: the protocol, without a patient
- `scans.key`: which study number is which scan; encrypted if there are storage keys
- `readings/`: every version of every reader's sheet
- `withdrawn.json`: numbers whose patients have been erased since; `exports.json`: what was handed out, where and when
"""

import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from csss.clock import now
from csss.config import Settings
from csss.paths import private_folder, write_private
from csss.storage.encrypted import Sealer, key_id_of
from csss.storage.files import CannotOpen
from csss.study.protocol import STUDY_NAME, Protocol, StudyRefused, digest

log = logging.getLogger(__name__)
_KEY = "scans.key"
# Left by a process that was killed while it wrote; nobody else writes these while somebody is `alone`.
_BROKEN_OFF = (
    "scans.*.partial",
    "study.*.partial",
    "withdrawn.*.partial",
    "exports.*.partial",
    "readings/*.partial",
)


@dataclass(frozen=True)
class ReaderSheet:
    """One version of one reader's sheet. `aided`: the reader saw the classifier's answer."""

    reader: str
    aided: bool
    version: int
    read_in_at: datetime
    sha256: str
    classes: dict[str, str]  # study number → what was read


@dataclass(frozen=True)
class Exported:
    """`mark` stands in the README.txt of the folder, and tells this export from whatever lies there later."""

    to: str
    at: datetime
    scans: int
    with_sex: bool
    mark: str = ""

    def remove(self, number: str) -> str:
        """Delete an exported picture. Returns a sentence where one lies there still, else nothing."""
        pictures = Path(self.to) / "pictures"
        whole = pictures / f"{number}.png"
        found = [*([whole] if os.path.lexists(whole) else []), *pictures.glob(f"{number}.*.partial")]
        if not found:
            return ""
        if not self._still_lies_there():
            return f"{found[0]} is not deleted: the folder is not this export any more, or its README.txt is gone."
        try:
            for picture in found:
                picture.unlink(missing_ok=True)
        except OSError as error:
            return f"{found[0]} cannot be deleted: {error.strerror or error}."
        return ""

    def _still_lies_there(self) -> bool:
        pictures = Path(self.to) / "pictures"
        try:
            told = (Path(self.to) / "README.txt").read_bytes()
        except OSError:
            return False
        return bool(self.mark) and self.mark.encode() in told and pictures.resolve() == pictures.absolute()


class StudyFolder:
    """One study on the disk."""

    def __init__(self, settings: Settings, name: str) -> None:
        if not STUDY_NAME.fullmatch(name):
            raise StudyRefused("A study's name has small letters, digits and dashes, such as chest-2026.")
        self.name = name
        self.path = studies(settings) / name
        ring = settings.storage_key_ring
        self._sealer = Sealer(ring, plain=settings.storage_plain) if ring else None
        self._depth = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else changes this study; also for those who are alone with it already. Raises OSError."""
        if self._depth:
            yield
            return
        lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._depth = 1
            for pattern in _BROKEN_OFF:
                for broken_off in self.path.glob(pattern):
                    broken_off.unlink(missing_ok=True)
            yield
        finally:
            self._depth = 0
            os.close(lock)

    @property
    def there(self) -> bool:
        return (self.path / "study.json").is_file()

    def check_there(self) -> None:
        if not self.there:
            raise StudyRefused(f"There is no study {self.name}. Draw it first: csss study draw {self.name} …")

    def check_new(self) -> None:
        if self.there:
            raise StudyRefused(
                f"There is a study {self.name} already. Choose another name; a sample is drawn once."
            )

    # The protocol and the key

    def begin(self, protocol: Protocol, scans: dict[str, uuid.UUID]) -> str:
        """Keep the protocol and the key; returns the digest to register. The key first: a study without one is none.

        Raises StudyRefused where somebody else has begun a study of this name meanwhile.
        """
        private_folder(self.path / "readings")
        with self.alone():
            self.check_new()
            self.keep_scans(scans)
            self._write("study.json", protocol.to_json())
            return self.protocol_digest()

    def protocol(self) -> Protocol:
        return Protocol.from_json((self.path / "study.json").read_bytes())

    def protocol_digest(self) -> str:
        return digest((self.path / "study.json").read_bytes())

    def scans(self) -> dict[str, uuid.UUID]:
        """Study number → scan. Raises StudyRefused when the key does not open."""
        stored = (self.path / _KEY).read_bytes()
        try:
            opened = self._open(stored)
        except CannotOpen as error:
            raise StudyRefused(f"The key of the study {self.name} does not open. {error}") from error
        return {number: uuid.UUID(scan) for number, scan in json.loads(opened).items()}

    def _open(self, stored: bytes) -> bytes:
        if self._sealer is not None:
            return self._sealer.open(self._key_name, stored)
        if (key_id := key_id_of(stored)) is not None:
            raise CannotOpen(f"It was encrypted with the key {key_id!r}, and CSSS_STORAGE_KEYS is empty.")
        return stored

    def keep_scans(self, scans: dict[str, uuid.UUID]) -> None:
        content = json.dumps({number: str(scan) for number, scan in scans.items()}).encode()
        self._write(_KEY, self._sealer.seal(self._key_name, content) if self._sealer else content)

    def reseal(self) -> None:
        """Encrypt the key with the first storage key, whatever it was encrypted with. Raises CannotOpen."""
        with self.alone():
            stored = (self.path / _KEY).read_bytes()
            content = stored if key_id_of(stored) is None else self._open(stored)
            if self._sealer is not None:
                self._write(_KEY, self._sealer.seal(self._key_name, content))

    @property
    def _key_name(self) -> str:
        return f"studies/{self.name}/{_KEY}"

    @property
    def key_is_encrypted(self) -> bool:
        return key_id_of((self.path / _KEY).read_bytes()) is not None

    # ReaderSheet

    def add_readings(self, reader: str, *, aided: bool, sha256: str, classes: dict[str, str]) -> ReaderSheet:
        with self.alone():
            earlier = [
                each.version for each in self.all_readings() if (each.reader, each.aided) == (reader, aided)
            ]
            kept = ReaderSheet(reader, aided, max(earlier, default=0) + 1, now(), sha256, classes)
            self._keep_readings(kept)
        return kept

    def all_readings(self) -> list[ReaderSheet]:
        """Every version, the earliest of each reader first."""
        found = []
        for path in (self.path / "readings").glob("*.json"):
            values: dict[str, Any] = json.loads(path.read_bytes())
            found.append(
                ReaderSheet(**{**values, "read_in_at": datetime.fromisoformat(values["read_in_at"])})
            )
        return sorted(found, key=lambda each: (each.reader, each.aided, each.version))

    def newest_readings(self, *, aided: bool) -> dict[str, ReaderSheet]:
        """The version of each reader that counts."""
        return {each.reader: each for each in self.all_readings() if each.aided == aided}

    def _keep_readings(self, kept: ReaderSheet) -> None:
        name = f"{kept.reader}-{'aided' if kept.aided else 'alone'}-{kept.version}.json"
        self._write(f"readings/{name}", json.dumps(asdict(kept), default=str, indent=1).encode())

    # What was handed out, and who has left

    def exports(self) -> list[Exported]:
        rows = self._list("exports.json")
        return [Exported(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]

    def add_export(self, exported: Exported) -> None:
        with self.alone():
            self._write_list("exports.json", [*self._list("exports.json"), asdict(exported)])

    def withdrawn(self) -> dict[str, datetime]:
        """Study number → when it was taken out."""
        return {row["number"]: datetime.fromisoformat(row["at"]) for row in self._list("withdrawn.json")}

    def left_pictures(self) -> list[str]:
        """A sentence for each exported picture of an erased patient that could not be deleted."""
        return [sentence for row in self._list("withdrawn.json") for sentence in row.get("left", [])]

    def withdraw(self, numbers: set[str]) -> None:
        """Take these out of the readings, of the pictures where they were exported to, and of the key, which goes last:
        what is interrupted is done again. A picture that cannot be deleted keeps nothing else back: it is told of, and
        tried again by the next call."""
        with self.alone():
            for kept in self.all_readings():
                if gone := numbers & kept.classes.keys():
                    classes = {number: said for number, said in kept.classes.items() if number not in gone}
                    self._keep_readings(replace(kept, classes=classes))
            rows = self._list("withdrawn.json")
            known = {row["number"] for row in rows}
            rows += [{"number": number, "at": now(), "left": []} for number in sorted(numbers - known)]
            exports = self.exports()
            for row in rows:
                if row.get("left") or row["number"] in numbers:
                    left = (exported.remove(row["number"]) for exported in exports)
                    row["left"] = list(dict.fromkeys(filter(None, left)))
                    for sentence in row["left"]:
                        log.warning("the picture of an erased patient: %s", sentence)
            self._write_list("withdrawn.json", rows)
            scans = self.scans()
            if numbers & scans.keys():
                self.keep_scans({number: scan for number, scan in scans.items() if number not in numbers})

    def numbers_read(self) -> set[str]:
        """The study numbers of which some version of a sheet says something."""
        return {number for each in self.all_readings() for number in each.classes}

    def _list(self, name: str) -> list[dict[str, Any]]:
        path = self.path / name
        rows: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.is_file() else []
        return rows

    def _write_list(self, name: str, rows: list[dict[str, Any]]) -> None:
        self._write(name, json.dumps(rows, default=str, indent=1).encode())

    def _write(self, name: str, content: bytes) -> None:
        write_private(self.path / name, content)


def studies(settings: Settings) -> Path:
    return settings.instance_folder / "studies"


def all_studies(settings: Settings) -> Iterator[StudyFolder]:
    for path in sorted(studies(settings).glob("*/study.json")):
        yield StudyFolder(settings, path.parent.name)
