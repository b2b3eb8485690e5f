"""Decide whose picture is decoded, and when: the quota is checked before the work, one decoder at a time per
patient.

Decoding may take seconds of CPU time and half a gigabyte, and all web processes together decode only a few pictures
at once. When one patient sends several at once, the second waits its turn. Each process counts for itself; the
limits in `csss.scans.intake` apply in addition.
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait

from csss.i18n import _
from csss.people.models import Patient
from csss.scans import intake, sent_again, services
from csss.scans.intake import Intake, TryLater

# Longer than the first one can take with its wait for a slot: DECODER's seconds plus the room's patience.
PATIENCE = 60.0


class _Check:
    """One picture that is being decoded. Two may wait for it: a repeat of the same form, and one other picture."""

    def __init__(self, digest: bytes) -> None:
        self.digest, self.awaited, self.followed = digest, False, False
        self.taken: Future[Intake] = Future()


# Each waiter holds a web thread, in addition to those in `intake`'s room; pages need threads, too.
_may_wait = threading.BoundedSemaphore(4)
_lock = threading.Lock()
_open: dict[uuid.UUID, _Check] = {}
# The picture each patient had decoded last, and until when a repeat counts as the same form.
_lately: dict[uuid.UUID, tuple[bytes, float]] = {}


def take_in(content: bytes, *, limit: int, patient: Patient) -> Intake:
    """Check the picture and return what will be stored. Raises Invalid, UsedUp among them, and TryLater when too
    many wait.

    A form that is sent twice brings the same picture again. It bypasses the quota, which the first one may have
    used up, and a concurrent repeat waits for the first one's result.
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
        # Set the result last, so that the next one finds a free slot.
        if error is None:
            mine.taken.set_result(taken)
        else:
            mine.taken.set_exception(error)


def _wait_for(check: _Check, until: float) -> None:
    """Wait until it has been accepted or refused. Raises TryLater."""
    if not _may_wait.acquire(blocking=False):
        raise _another_first()
    try:
        if not wait([check.taken], max(0.0, until - time.monotonic())).done:
            raise _another_first()
    finally:
        _may_wait.release()


def _another_first() -> TryLater:
    return TryLater(
        file=_("Another picture of yours is being checked at the moment. Send this one again in a moment.")
    )


def _came_lately(patient_id: uuid.UUID, digest: bytes, *, open_ones: bool = True) -> bool:
    with _lock:
        known = _open.get(patient_id) if open_ones else None
        last, until = _lately.get(patient_id, (b"", 0.0))
    return (known is not None and known.digest == digest) or (last == digest and time.monotonic() < until)


def _remember(patient_id: uuid.UUID, digest: bytes) -> None:
    """Start the time only at the first acceptance: otherwise somebody who keeps sending it could bypass the quota
    for ever."""
    if _came_lately(patient_id, digest, open_ones=False):
        return
    at = time.monotonic()
    with _lock:
        for each in [each for each, (_, until) in _lately.items() if until <= at]:
            del _lately[each]
        _lately[patient_id] = (digest, at + sent_again.SAME_FORM.total_seconds())
