"""Everything that the report of a study says, gathered in one value: for the document, and as JSON."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.clock import now
from csss.config import Settings
from csss.database import db
from csss.hospital.current import hospital
from csss.study.cases import Case, cases
from csss.study.erased import take_out
from csss.study.protocol import Protocol
from csss.study.reader_results import ReaderResults, reader_results
from csss.study.reference import NoReference, reference
from csss.study.results import Results, results
from csss.study.study_folder import Exported, StudyFolder


@dataclass(frozen=True)
class Registration:
    """What the audit log knows of the protocol. `unchanged`: the file is the one that was registered. `draws`: how often a
    study of this name was drawn; more than once asks for a reason."""

    sha256: str
    unchanged: bool
    event: int | None
    at: datetime | None
    draws: int


@dataclass(frozen=True)
class SheetTold:
    """One version of a reader's sheet."""

    reader: str
    aided: bool
    version: int
    read_in_at: datetime
    scans: int
    sha256: str


@dataclass(frozen=True)
class StudyReport:
    """`without_reference`: reason → scans. `results` is None while nothing can be said."""

    hospital: str
    made_at: datetime
    protocol: Protocol
    registration: Registration
    withdrawn: int
    in_study: int
    with_reference: int
    without_reference: dict[str, int]
    people: dict[str, dict[str, int]]
    thresholds: list[float]
    exports: list[Exported]
    sheets: list[SheetTold]
    key_is_encrypted: bool
    results: Results | None
    readers: ReaderResults

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str, indent=2, ensure_ascii=False)


def gather(study: StudyFolder, settings: Settings, *, prevalence: float | None = None) -> StudyReport:
    """`prevalence` stands in for that of the protocol. Raises StudyRefused."""
    study.check_there()
    take_out(study)
    protocol = study.protocol()
    if prevalence is not None:
        protocol = replace(protocol, prevalence=prevalence)
    sample = cases(study.scans())
    alone, aided = study.newest_readings(aided=False), study.newest_readings(aided=True)
    found = reference(
        protocol, (case.number for case in sample), {name: each.classes for name, each in alone.items()}
    )
    without = Counter(found.without.values())
    return StudyReport(
        hospital=hospital().name,
        made_at=now().astimezone(settings.zone),
        protocol=protocol,
        registration=_registration(study),
        withdrawn=len(study.withdrawn()),
        in_study=len(sample),
        with_reference=len(found.classes),
        without_reference={reason.value: without[reason] for reason in NoReference},
        people=_people(sample),
        thresholds=sorted({case.threshold for case in sample if case.threshold is not None}),
        exports=study.exports(),
        sheets=[
            SheetTold(each.reader, each.aided, each.version, each.read_in_at, len(each.classes), each.sha256)
            for each in study.all_readings()
        ],
        key_is_encrypted=study.key_is_encrypted,
        results=results(protocol, sample, found),
        readers=reader_results(protocol, sample, found, alone, aided),
    )


def _registration(study: StudyFolder) -> Registration:
    query = (
        select(AuditEvent)
        .where(AuditEvent.action == "study.drawn", AuditEvent.subject_id == study.name)
        .order_by(AuditEvent.id)
    )
    events, sha256 = db.session.scalars(query).all(), study.protocol_digest()
    own = next((event for event in events if event.detail.get("sha256") == sha256), None)
    return Registration(
        sha256, own is not None, own.id if own else None, own.at if own else None, len(events)
    )


def _people(sample: list[Case]) -> dict[str, dict[str, int]]:
    return {
        "age": dict(Counter(case.age_band for case in sample)),
        "sex": dict(Counter(case.sex for case in sample)),
        "kind": dict(Counter(case.kind for case in sample)),
    }
