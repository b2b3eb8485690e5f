"""Whose picture is opened, and when: the quota comes before the work, and each patient has one decoder at a time.

Opening a picture may take seconds of a processor and half a gigabyte, and all web processes together open a few at once.
Each process counts for itself; the limits of `csss.scans.intake` hold beside this.
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future

from csss.auth.models import Patient
from csss.scans import intake, services
from csss.scans.intake import Intake

# Longer than the first one can take, with its wait for a place: DECODER's seconds and the room's patience.
PATIENCE = 60.0


class _Check:
    """One picture that is being opened; of those who send the same at once, one more may wait for it."""

    def __init__(self, digest: bytes) -> None:
        self.digest, self.awaited = digest, False
        self.taken: Future[Intake] = Future()


_lock = threading.Lock()
_open: dict[uuid.UUID, _Check] = {}
# What was opened last, and until when it counts as the same form.
_lately: dict[uuid.UUID, tuple[bytes, float]] = {}


def take_in(content: bytes, *, limit: int, patient: Patient) -> Intake:
    """The picture as it is stored. Raises Invalid, among it UsedUp, and TryLater while another one of theirs is opened.

    A form that is sent twice brings the same picture again: it gets past the quota, which it may have used up itself, and
    at the same moment it waits for the first one's answer.
    """
    patient_id, digest = patient.id, hashlib.sha256(content).digest()
    if not _came_lately(patient_id, digest):
        services.check_may_send(patient)
    return _one_at_a_time(patient_id, digest, lambda: intake.take_in(content, limit=limit))


def _one_at_a_time(patient_id: uuid.UUID, digest: bytes, open_it: Callable[[], Intake]) -> Intake:
    with _lock:
        known = _open.get(patient_id)
        if known is None:
            mine = _open[patient_id] = _Check(digest)
        elif known.digest != digest or known.awaited:
            raise intake.try_later()
        else:
            known.awaited = True
    if known is not None:
        return _answer_to(known)
    try:
        taken = open_it()
    except BaseException as error:
        mine.taken.set_exception(error)
        raise
    else:
        mine.taken.set_result(taken)
        _remember(patient_id, digest)
        return taken
    finally:
        with _lock:
            del _open[patient_id]


def _answer_to(first: _Check) -> Intake:
    try:
        return first.taken.result(timeout=PATIENCE)
    except TimeoutError:
        raise intake.try_later() from None


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
