"""The figures about people: how far readers agree, how readings change with the classifier, what doctors said in routine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from csss.scans.states import Agreement
from csss.study.agreement import Kappa, cohen, fleiss
from csss.study.cases import Case
from csss.study.proportions import paired_difference
from csss.study.protocol import UNREADABLE, Protocol
from csss.study.reference import Reference
from csss.study.results import StudyShare, share
from csss.study.study_folder import ReaderSheet


@dataclass(frozen=True)
class PairOfReaders:
    first: str
    second: str
    kappa: Kappa | None


@dataclass(frozen=True)
class ReaderResult:
    """One who reads, against the reference. `part_of_it`: their own readings made the reference, so it flatters them."""

    reader: str
    versions: int
    read: int
    unreadable: int
    part_of_it: bool
    right: StudyShare


@dataclass(frozen=True)
class ChangeOfReading:
    """The same reader alone and with the classifier's answer, on the scans that were read both times."""

    reader: str
    scans: int
    changed: int
    became_right: int
    became_wrong: int
    right_alone: StudyShare
    right_aided: StudyShare
    difference: float
    low: float
    high: float
    part_of_it: bool


@dataclass(frozen=True)
class RoutineRow:
    """What doctors said of the classifier in their reports, of answers that the reference calls right, or wrong."""

    answer: str  # right or wrong
    scans: int
    agree: StudyShare
    partly: StudyShare
    disagree: StudyShare


@dataclass(frozen=True)
class ReaderResults:
    readers: list[ReaderResult]
    pairs: list[PairOfReaders]
    all_readers: Kappa | None
    changes: list[ChangeOfReading]
    routine: list[RoutineRow]
    without_review: int  # scans that no doctor had reported when the figures were made


def reader_results(
    protocol: Protocol,
    sample: Sequence[Case],
    found: Reference,
    alone: Mapping[str, ReaderSheet],
    aided: Mapping[str, ReaderSheet],
) -> ReaderResults:
    names = [reader for reader in protocol.everybody if reader in alone]
    return ReaderResults(
        readers=[_reader(protocol, alone[reader], found) for reader in names],
        pairs=[
            PairOfReaders(first, second, _pair(protocol, alone[first].classes, alone[second].classes))
            for first, second in combinations([name for name in names if name != protocol.adjudicator], 2)
        ],
        all_readers=_all(protocol, [alone[name].classes for name in protocol.readers if name in alone]),
        changes=[
            change
            for reader in names
            if reader in aided and (change := _change(protocol, alone[reader], aided[reader], found))
        ],
        routine=_routine(sample, found),
        without_review=sum(not case.reviewed for case in sample),
    )


def _in_reference(protocol: Protocol, reader: str) -> bool:
    return reader in protocol.readers or reader == protocol.adjudicator


def _reader(protocol: Protocol, readings: ReaderSheet, found: Reference) -> ReaderResult:
    judged = [number for number in readings.classes if number in found.classes]
    right = sum(readings.classes[number] == found.classes[number] for number in judged)
    unreadable = sum(said == UNREADABLE for said in readings.classes.values())
    return ReaderResult(
        readings.reader,
        readings.version,
        len(readings.classes),
        unreadable,
        _in_reference(protocol, readings.reader),
        share(right, len(judged)),
    )


def _codes(protocol: Protocol) -> dict[str, int]:
    return {name: place for place, name in enumerate((*protocol.classes, UNREADABLE))}


def _pair(protocol: Protocol, first: Mapping[str, str], second: Mapping[str, str]) -> Kappa | None:
    codes = _codes(protocol)
    both = sorted(first.keys() & second.keys())
    return cohen(
        np.array([codes[first[number]] for number in both], np.int64),
        np.array([codes[second[number]] for number in both], np.int64),
        len(codes),
    )


def _all(protocol: Protocol, readings: Sequence[Mapping[str, str]]) -> Kappa | None:
    """Of the scans that all of them have read; of two readers Cohen's kappa is enough."""
    if len(readings) < 3:
        return None
    codes = _codes(protocol)
    common = sorted(set.intersection(*(set(each) for each in readings)))
    counts = np.zeros((len(common), len(codes)), np.int64)
    for row, number in enumerate(common):
        for each in readings:
            counts[row, codes[each[number]]] += 1
    return fleiss(counts)


def _change(
    protocol: Protocol, alone: ReaderSheet, aided: ReaderSheet, found: Reference
) -> ChangeOfReading | None:
    both = sorted(alone.classes.keys() & aided.classes.keys() & found.classes.keys())
    if not both:
        return None
    before = np.array([alone.classes[number] == found.classes[number] for number in both])
    after = np.array([aided.classes[number] == found.classes[number] for number in both])
    gained, lost = int((~before & after).sum()), int((before & ~after).sum())
    limits = paired_difference(gained, lost, len(both))
    return ChangeOfReading(
        reader=alone.reader,
        scans=len(both),
        changed=sum(alone.classes[number] != aided.classes[number] for number in both),
        became_right=gained,
        became_wrong=lost,
        right_alone=share(int(before.sum()), len(both)),
        right_aided=share(int(after.sum()), len(both)),
        difference=(gained - lost) / len(both),
        low=float(limits.low),
        high=float(limits.high),
        part_of_it=_in_reference(protocol, alone.reader),
    )


def _routine(sample: Sequence[Case], found: Reference) -> list[RoutineRow]:
    rows = []
    for answer in ("right", "wrong"):
        said = [
            case.agreement
            for case in sample
            if case.agreement is not None
            and case.number in found.classes
            and (case.label == found.classes[case.number]) == (answer == "right")
        ]
        agree, partly, disagree = (share(said.count(each), len(said)) for each in Agreement)
        rows.append(RoutineRow(answer, len(said), agree, partly, disagree))
    return rows
