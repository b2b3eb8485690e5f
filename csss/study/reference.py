"""The reference: what counts as the truth about a scan, by the rule that the protocol states."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from csss.study.protocol import UNREADABLE, Protocol


class NoReference(StrEnum):
    """Why a scan has none."""

    NOT_READ = "not_read"  # by a reader who had to
    NO_AGREEMENT = "no_agreement"  # no class has more than half of the readings
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Reference:
    """Study number → class, and why the others have none."""

    classes: dict[str, str]
    without: dict[str, NoReference]


def reference(
    protocol: Protocol, numbers: Iterable[str], readings: Mapping[str, Mapping[str, str]]
) -> Reference:
    """`readings`: of each reader, study number → class."""
    found = Reference({}, {})
    for number in numbers:
        said = _said(protocol, number, readings)
        if isinstance(said, NoReference):
            found.without[number] = said
        elif said == UNREADABLE:
            found.without[number] = NoReference.UNREADABLE
        else:
            found.classes[number] = said
    return found


def differing(protocol: Protocol, readings: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The numbers that all readers have read and not all alike: those that the adjudicator has to read."""
    own = [readings.get(reader, {}) for reader in protocol.readers]
    common = set.intersection(*(set(each) for each in own))
    return sorted(number for number in common if len({each[number] for each in own}) > 1)


def _said(protocol: Protocol, number: str, readings: Mapping[str, Mapping[str, str]]) -> str | NoReference:
    own = [readings.get(reader, {}).get(number) for reader in protocol.readers]
    read = [each for each in own if each is not None]
    if len(read) < len(own):
        return NoReference.NOT_READ
    (most, votes), *_ = Counter(read).most_common(1)
    if protocol.adjudicator:
        if votes == len(read):
            return most
        return readings.get(protocol.adjudicator, {}).get(number) or NoReference.NOT_READ
    return most if 2 * votes > len(read) else NoReference.NO_AGREEMENT
