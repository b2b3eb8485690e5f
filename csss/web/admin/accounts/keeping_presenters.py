"""The state of a patient's data on the account's page: kept by a legal hold, or erased."""

from dataclasses import dataclass

from csss.erasing import queries
from csss.erasing.models import Erasure, LegalHold
from csss.i18n import _, _n
from csss.people.models import Patient, User
from csss.web.filters import when


@dataclass(frozen=True)
class Keeping:
    """The state of a patient's data. `gone` holds facts once the data has been erased."""

    gone: list[tuple[str, str | None]]
    hold: LegalHold | None
    earlier: list[LegalHold]


def keeping(user: User) -> Keeping | None:
    """None for accounts of staff, which are deactivated and not erased."""
    return keeping_of(user.patient) if user.patient is not None else None


def keeping_of(patient: Patient) -> Keeping:
    """The state of the data of a patient, with an account or without."""
    if patient.is_erased:
        erasure = queries.erasure_of(patient)
        return Keeping(_facts(erasure) if erasure else [], None, [])
    holds = queries.holds_of(patient)
    earlier = [each for each in holds if each.lifted_at is not None]
    return Keeping([], next((each for each in holds if each.lifted_at is None), None), earlier)


def _facts(erasure: Erasure) -> list[tuple[str, str | None]]:
    return [
        (_("Erased"), when(erasure.at)),
        (_("By"), erased_by(erasure)),
        (_("Reason"), erasure.reason),
        (_("What was erased"), counts_words(erasure)),
    ]


def erased_by(erasure: Erasure) -> str:
    return (
        erasure.by.name if erasure.by is not None else _("The people who run the server, on the command line")
    )


def counts_words(erasure: Erasure) -> str:
    """How much was erased: the numbers of scans, reports and files."""
    scans, reports, files = (
        int(erasure.counts.get(name, 0)) for name in ("scans", "report_versions", "files")
    )
    return ", ".join(
        (
            _n("%(num)s scan", "%(num)s scans", scans),
            _n("%(num)s report", "%(num)s reports", reports),
            _n("%(num)s file", "%(num)s files", files),
        )
    )
