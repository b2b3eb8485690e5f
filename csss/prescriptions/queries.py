"""Look up what the pharmacist has to act on."""

from csss.paging import ListPage
from csss.scans import queries
from csss.scans.list_rows import ListedScan
from csss.scans.states import HoldFor, Status


def queue(*, search: str = "", sort: str = "priority", page: int = 1) -> ListPage[ListedScan]:
    """Scans that wait for a prescription, and those held for its correction."""
    return queries.queue(
        [Status.DOCTOR_VERIFIED], held=HoldFor.PHARMACIST, search=search, sort=sort, page=page
    )
