"""Whose picture is opened, and when: the quota comes before the work, and each patient has one decoder at a time.

Opening a picture may take seconds of a processor and half a gigabyte, and all web processes together open a few at once.
Of one patient's pictures that come at once the second waits its turn. Each process counts for itself; the limits of
`csss.scans.intake` hold beside this.
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait

from csss.i18n import _
from csss.people.models import Patient
from csss.scans import intake, services
from csss.scans.intake import Intake, TryLater

# Longer than the first one can take, with its wait for a place: DECODER's seconds and the room's patience.
PATIENCE = 60.0


class _Check:
    """One picture that is being opened. For it may wait: one form that sends the same, and one other picture."""

    def __init__(self, digest: bytes) -> None:
        self.digest, self.awaited, self.followed = digest, False, False
        self.taken: Future[Intake] = Future()


# Each who waits holds a thread of a web process, beside those of `intake`'s room: pages need threads, too.
_may_wait = threading.BoundedSemaphore(4)
_lock = threading.Lock()
_open: dict[uuid.UUID, _Check] = {}
# What was opened last, and until when it counts as the same form.
_lately: dict[uuid.UUID, tuple[bytes, float]] = {}


def take_in(content: bytes, *, limit: int, patient: Patient) -> Intake:
    """The picture as it is stored. Raises Invalid, among it UsedUp, and TryLater where too many wait already.

    A form that is sent twice brings the same picture again: it gets past the quota, which it may have used up itself, and
    at the same moment it waits for the first one's answer.
    """
    patient_id, digest = patient.id, hashlib.sha256(content).digest()
    if not _came_lately(patient_id, digest):
        services.check_may_send(patient)
    return _one_at_a_time(patient_id, digest, lambda: intake.take_in(content, limit=limit))


def _one_at_a_time(patient_id: uuid.UUID, digest: bytes, open_it: Callable[[], Intake]) -> Intake:
    until = time.monotonic() + PATIENCE
    while True:
        with _lock:
            known = _open.get(patient_id)
            if known is None:
                mine = _open[patient_id] = _Check(digest)
                break
            same = known.digest == digest
            if known.awaited if same else known.followed:
                raise _another_first()
            if same:
                known.awaited = True
            else:
                known.followed = True
        _wait_for(known, until)
        if same:
            return known.taken.result()
    return _opened(mine, patient_id, open_it)


def _opened(mine: _Check, patient_id: uuid.UUID, open_it: Callable[[], Intake]) -> Intake:
    error: BaseException | None = None
    try:
        taken = open_it()
        _remember(patient_id, mine.digest)
        return taken
    except BaseException as raised:
        error = raised
        raise
    finally:
        with _lock:
            del _open[patient_id]
        # Told last, so that the one who follows finds the place free.
        if error is None:
            mine.taken.set_result(taken)
        else:
            mine.taken.set_exception(error)


def _wait_for(check: _Check, until: float) -> None:
    """Until it has been opened or refused. Raises TryLater."""
    if not _may_wait.acquire(blocking=False):
        raise _another_first()
    try:
        if not wait([check.taken], max(0.0, until - time.monotonic())).done:
            raise _another_first()
    finally:
        _may_wait.release()


def _another_first() -> TryLater:
    return TryLater(
        file=_("Another picture of yours is being checked just now. Send this one again in a moment.")
    )


def _came_lately(patient_id: uuid.UUID, digest: bytes, *, open_ones: bool = True) -> bool:
    with _lock:
        known = _open.get(patient_id) if open_ones else None
        last, until = _lately.get(patient_id, (b"", 0.0))
    return (known is not None and known.digest == digest) or (last == digest and time.monotonic() < until)


def _remember(patient_id: uuid.UUID, digest: bytes) -> None:
    """From the first time on: whoever sends it again and again must not get past the quota for ever."""
    if _came_lately(patient_id, digest, open_ones=False):
        return
    at = time.monotonic()
    with _lock:
        for each in [each for each, (_, until) in _lately.items() if until <= at]:
            del _lately[each]
        _lately[patient_id] = (digest, at + services.SAME_FORM.total_seconds())
