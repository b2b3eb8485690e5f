"""Present prescriptions in the words that people read."""

from dataclasses import dataclass
from datetime import datetime

from csss.prescriptions.models import Prescription


@dataclass(frozen=True)
class ItemView:
    """One medicine for components/prescription_table.html, with its warnings and the reason in spite of them."""

    drug: str
    dose: str
    route: str
    frequency: str
    duration: str
    warnings: tuple[str, ...] = ()
    override_reason: str = ""


@dataclass(frozen=True)
class PrescriptionView:
    """One version of a prescription."""

    version: int
    author: str
    written_at: datetime
    none_needed: bool
    notes: str
    items: tuple[ItemView, ...]


def prescription_view(written: Prescription) -> PrescriptionView:
    return PrescriptionView(
        version=written.version,
        author=written.pharmacist.name,
        written_at=written.created_at,
        none_needed=written.none_needed,
        notes=written.notes,
        items=tuple(
            ItemView(
                item.drug,
                item.dose,
                item.route.human,
                item.frequency,
                item.duration,
                tuple(item.warnings.splitlines()),
                item.override_reason,
            )
            for item in written.items
        ),
    )
