"""The protocol of a study: what is asked of which scans, written down and registered before anything is looked at.

`study.json` holds it. Its SHA-256 stands in the audit log, so nobody can change it afterwards unseen.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any

UNREADABLE = "unreadable"  # what a reader writes of a picture that nobody can read
STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
READER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,19}")


class StudyRefused(Exception):
    """Something in a study cannot be done; the text is a sentence for the person at the command line, in English as all
    of the command line is."""


class SampleKind(StrEnum):
    RANDOM = "random"
    STRATIFIED = "stratified"
    CONSECUTIVE = "consecutive"


@dataclass(frozen=True)
class Flow:
    """How many scans were left after each step, from the span of time to the sample."""

    in_span: int
    without_answer: int  # not analysed, or by another version, or read without the classifier
    closed: int  # as unreadable, or for another reason
    further_of_patient: int  # scans beyond one of the same patient
    eligible: int
    drawn: int


@dataclass(frozen=True)
class Protocol:
    """`since` and `until` are days of the hospital's time zone, both included."""

    name: str
    question: str
    target: tuple[str, ...]  # the classes that count as positive
    classes: tuple[str, ...]  # what a reader may choose from
    kinds: tuple[str, ...]
    since: date
    until: date
    time_zone: str
    model_version: str
    sampling: SampleKind
    seed: int
    size: int
    one_a_patient: bool
    readers: tuple[str, ...]  # whose readings make the reference
    adjudicator: str  # decides where they differ; empty: the majority does
    observers: tuple[str, ...]  # are compared with the reference, and are no part of it
    wanted_width: float | None  # of the intervals of sensitivity and specificity
    prevalence: float | None  # known from elsewhere; None: that of the sample
    flow: Flow
    drawn_at: datetime

    @property
    def everybody(self) -> tuple[str, ...]:
        """All who read, each once."""
        return (*self.readers, *((self.adjudicator,) if self.adjudicator else ()), *self.observers)

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), default=str, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Protocol":
        values: dict[str, Any] = json.loads(content)
        for each in fields(cls):
            if isinstance(values[each.name], list):
                values[each.name] = tuple(values[each.name])
        return cls(
            **{
                **values,
                "since": date.fromisoformat(values["since"]),
                "until": date.fromisoformat(values["until"]),
                "drawn_at": datetime.fromisoformat(values["drawn_at"]),
                "sampling": SampleKind(values["sampling"]),
                "flow": Flow(**values["flow"]),
            }
        )


def digest(content: bytes) -> str:
    """What is registered of a protocol: the SHA-256 of its file."""
    return hashlib.sha256(content).hexdigest()
