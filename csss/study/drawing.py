"""Taking the sample: which scans of a span of time, drawn by chance with a seed or in the order in which they came."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from sqlalchemy import ColumnElement, exists, select

from csss.audit.record import About, record
from csss.clock import now
from csss.config import Settings
from csss.database import db, transaction
from csss.inference.classes import belongs_to
from csss.people.models import Patient
from csss.scans.models import Prediction, Scan, ScanClosure
from csss.scans.presenters import KIND_NAMES, human_name
from csss.scans.states import ScanKind
from csss.study.cases import age_band
from csss.study.protocol import READER_NAME, Flow, Protocol, SampleKind, StudyRefused
from csss.study.study_folder import StudyFolder


@dataclass(frozen=True)
class Wanted:
    """What is asked for on the command line; `model_version` may be empty where the span knows only one."""

    question: str
    target: tuple[str, ...]
    kinds: tuple[ScanKind, ...]
    since: date
    until: date
    model_version: str
    sampling: SampleKind
    seed: int
    size: int
    one_a_patient: bool
    readers: tuple[str, ...]
    adjudicator: str
    observers: tuple[str, ...]
    wanted_width: float | None
    prevalence: float | None


Stratum = tuple[str, str, str]  # kind, sex and age band


@dataclass(frozen=True)
class _Candidate:
    scan_id: uuid.UUID
    patient_id: uuid.UUID
    stratum: Stratum


def draw(study: StudyFolder, wanted: Wanted, settings: Settings) -> Protocol:
    """Draw the sample, keep it in the study's folder, and register the protocol. Raises StudyRefused.

    The classifier's answers are not looked at, only whether there is one and of which version.
    """
    study.check_new()
    _check_people(wanted)
    begins, ends = (
        datetime.combine(day, time(), settings.zone)
        for day in (wanted.since, wanted.until + timedelta(days=1))
    )
    if ends <= begins:
        raise StudyRefused("The span ends before it begins.")
    version = wanted.model_version or _only_version(wanted, begins, ends)
    candidates, flow = _candidates(wanted, version, begins, ends)
    classes = _classes(wanted, version)
    for target in wanted.target:
        if target not in classes:
            raise StudyRefused(f"{target} is no class of {version} for these scans: {', '.join(classes)}.")
    if len(set(wanted.target)) == len(classes):
        raise StudyRefused("Every class is a target: then nothing is left to tell them from.")
    generator = np.random.default_rng(wanted.seed)
    one_each = _one_each(candidates, wanted, generator)
    sample = _sample(one_each, wanted, generator)
    if len(sample) < wanted.size:
        raise StudyRefused(
            f"Only {len(one_each)} scans can be drawn, and {wanted.size} are wanted. Take a longer span or a smaller --size."
        )
    protocol = Protocol(
        name=study.name,
        question=wanted.question or _question(wanted, version),
        target=wanted.target,
        classes=classes,
        kinds=tuple(kind.value for kind in wanted.kinds),
        since=wanted.since,
        until=wanted.until,
        time_zone=settings.time_zone,
        model_version=version,
        sampling=wanted.sampling,
        seed=wanted.seed,
        size=wanted.size,
        one_a_patient=wanted.one_a_patient,
        readers=wanted.readers,
        adjudicator=wanted.adjudicator,
        observers=wanted.observers,
        wanted_width=wanted.wanted_width,
        prevalence=wanted.prevalence,
        flow=Flow(
            **flow,
            further_of_patient=len(candidates) - len(one_each),
            eligible=len(one_each),
            drawn=len(sample),
        ),
        drawn_at=now(),
    )
    # In an order of their own, so that a number tells nothing of the day.
    mixed = generator.permutation(len(sample))
    numbers = {f"S{place + 1:04d}": sample[chosen].scan_id for place, chosen in enumerate(mixed)}
    registered = study.begin(protocol, numbers)
    with transaction():
        record(
            "study.drawn", About("study", study.name), sha256=registered, scans=len(numbers), seed=wanted.seed
        )
    return protocol


def _question(wanted: Wanted, version: str) -> str:
    targets = ", ".join(f"“{human_name(each)}”" for each in wanted.target)
    kinds = " and ".join(
        str(KIND_NAMES[kind]).replace("Chest", "chest").replace("Cardiac", "cardiac") for kind in wanted.kinds
    )
    return f"How well does the classifier {version} tell scans with {targets} from the others ({kinds}) in this hospital?"


def _check_people(wanted: Wanted) -> None:
    everybody = [*wanted.readers, *([wanted.adjudicator] if wanted.adjudicator else []), *wanted.observers]
    for name in everybody:
        if not READER_NAME.fullmatch(name):
            raise StudyRefused(f"{name!r} cannot stand for a reader: letters, digits and dashes, such as R1.")
    if len(set(everybody)) < len(everybody):
        raise StudyRefused("Each reader, adjudicator and observer needs a name of their own.")
    if wanted.adjudicator and len(wanted.readers) < 2:
        raise StudyRefused("An adjudicator decides where two readers differ: name at least two readers.")


def _in_span(wanted: Wanted, begins: datetime, ends: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Scan.uploaded_at >= begins, Scan.uploaded_at < ends, Scan.kind.in_(wanted.kinds))


def _only_version(wanted: Wanted, begins: datetime, ends: datetime) -> str:
    query = (
        select(Prediction.model_version)
        .join(Scan, Scan.id == Prediction.scan_id)
        .where(*_in_span(wanted, begins, ends), Prediction.available)
    )
    found = Counter(db.session.scalars(query))
    if not found:
        raise StudyRefused("The classifier has read no scan of this kind in this span.")
    if len(found) > 1:
        told = ", ".join(f"{name} ({number})" for name, number in found.most_common())
        raise StudyRefused(
            f"Several versions have read the scans of this span: {told}. Choose one with --model."
        )
    return next(iter(found))


def _classes(wanted: Wanted, version: str) -> tuple[str, ...]:
    """The names of the version's classes that belong to these kinds of scan; a prediction holds them in their order."""
    query = select(Prediction.probabilities).where(Prediction.model_version == version, Prediction.available)
    names = list(db.session.scalars(query.limit(1)).one())
    return tuple(name for name in names if any(belongs_to(name, kind.value) for kind in wanted.kinds))


def _candidates(
    wanted: Wanted, version: str, begins: datetime, ends: datetime
) -> tuple[list[_Candidate], dict[str, int]]:
    """In the order in which they came."""
    closed = exists().where(ScanClosure.scan_id == Scan.id)
    query = (
        select(
            Scan.id, Scan.patient_id, Scan.kind, Scan.uploaded_at, Patient.sex, Patient.date_of_birth,
            Prediction.model_version, Prediction.available, closed,
        )
        .join(Patient, Patient.id == Scan.patient_id)
        .outerjoin(Prediction, Prediction.scan_id == Scan.id)
        .where(*_in_span(wanted, begins, ends))
        .order_by(Scan.uploaded_at, Scan.id)
    )  # fmt: skip
    found, counts = [], Counter(in_span=0, without_answer=0, closed=0)
    for scan_id, patient_id, kind, uploaded_at, sex, born, model, available, is_closed in db.session.execute(
        query
    ):
        counts["in_span"] += 1
        if not available or model != version:
            counts["without_answer"] += 1
        elif is_closed:
            counts["closed"] += 1
        else:
            stratum = (kind.value, sex.value, age_band(born, uploaded_at.date()))
            found.append(_Candidate(scan_id, patient_id, stratum))
    if not found:
        raise StudyRefused(f"{version} has read no scan of this kind in this span that could be drawn.")
    return found, dict(counts)


def _one_each(
    candidates: Sequence[_Candidate], wanted: Wanted, generator: np.random.Generator
) -> list[_Candidate]:
    """One scan of each patient: the first where they are taken as they came, else one by chance."""
    if not wanted.one_a_patient:
        return list(candidates)
    order = range(len(candidates))
    if wanted.sampling is not SampleKind.CONSECUTIVE:
        order = generator.permutation(len(candidates))  # type: ignore[assignment]
    chosen: dict[uuid.UUID, int] = {}
    for place in order:
        chosen.setdefault(candidates[place].patient_id, place)
    return [candidates[place] for place in sorted(chosen.values())]


def _sample(
    candidates: Sequence[_Candidate], wanted: Wanted, generator: np.random.Generator
) -> list[_Candidate]:
    if wanted.sampling is SampleKind.CONSECUTIVE:
        return list(candidates[: wanted.size])
    size = min(wanted.size, len(candidates))
    if wanted.sampling is SampleKind.RANDOM:
        return [candidates[place] for place in generator.choice(len(candidates), size, replace=False)]
    strata: dict[Stratum, list[_Candidate]] = defaultdict(list)
    for each in candidates:
        strata[each.stratum].append(each)
    found = []
    for stratum, number in shares({name: len(members) for name, members in strata.items()}, size).items():
        members = strata[stratum]
        found += [members[place] for place in generator.choice(len(members), number, replace=False)]
    return found


def shares(members: dict[Stratum, int], size: int) -> dict[Stratum, int]:
    """How many to draw from each stratum so that the sample has the make-up of the whole: by the largest remainder."""
    whole = sum(members.values())
    exact = {name: size * number / whole for name, number in members.items()}
    found = {name: int(part) for name, part in exact.items()}
    for name in sorted(exact, key=lambda name: found[name] - exact[name])[: size - sum(found.values())]:
        found[name] += 1
    return found
