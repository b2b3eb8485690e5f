"""Turn a patient's picture into a scan: open it, store it, and delete the file if the database refuses the scan.

Every function opens its own transaction, because no lock may be held while a picture is opened or stored.
"""

import hashlib
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flask import current_app
from sqlalchemy.exc import DBAPIError, IntegrityError

from csss.database import after_commit, transaction
from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User
from csss.picture_formats import PNG
from csss.scans import intake, likeness, sent_again, services, upload_checks
from csss.scans.doubts import Doubt, Doubtful
from csss.scans.intake import Intake
from csss.scans.states import ScanKind
from csss.scans.uploads import services as uploads
from csss.storage import unfinished_uploads
from csss.storage.files import storage


@dataclass(frozen=True)
class Submitted:
    """The new scan. `sent_anew`: the same picture had just been sent, with another kind or other words."""

    scan_id: uuid.UUID
    sent_anew: bool


def take_in(content: bytes, *, form_is_valid: bool, by: User) -> Intake:
    """Check the picture and return what will be stored. Raises NotFound, Invalid; always Invalid if the rest of the
    form is.

    With an invalid form the picture is not decoded, but as many of its errors as possible are reported at once.
    """
    limit = current_app.config["CSSS"].upload_bytes
    if by.patient is None:
        raise NotFound(_("Only patients upload scans."))
    if form_is_valid:
        return upload_checks.take_in(content, limit=limit, patient=by.patient)
    intake.look_at(content, limit=limit)
    raise Invalid()


def take_in_upload(upload_id: uuid.UUID, *, form_is_valid: bool, by: User) -> Intake:
    """Like `take_in`, for a chunked upload; deletes a file that is no acceptable scan."""
    try:
        return take_in(uploads.content(upload_id, by), form_is_valid=form_is_valid, by=by)
    except (uploads.Incomplete, intake.TryLater, services.UsedUp):
        raise
    except Invalid as refusal:
        if refusal.errors:  # without errors, only the rest of the form is invalid
            with transaction(), suppress(NotFound):
                uploads.cancel(upload_id, by=by)
        raise


def check_doubts(
    taken: Intake, *, kind: ScanKind, sure: Collection[str], model: Callable[[], Path], by: User
) -> list[Doubt]:
    """What speaks against the picture, all of it among what the patient is `sure` of. Raises Doubtful otherwise.

    `model` finds the folder of the classifier in use.
    """
    found = likeness.doubts_about(taken, kind, model)
    earlier = sent_again.sent_before(taken, by=by)
    if earlier is not None:
        found.append(Doubt.AGAIN)
    if not set(found) <= set(sure):
        raise Doubtful(found, earlier)
    return found


def keep_for_later(content: bytes, *, by: User) -> uuid.UUID:
    """Keep a whole file as an upload that has arrived, so that its sender need not choose it again. Raises Invalid."""
    limit = current_app.config["CSSS"].upload_bytes
    digest = hashlib.sha256(content).hexdigest()
    with transaction():
        upload, _new = uploads.begin(length=len(content), digest=digest, limit=limit, by=by)
        upload_id = upload.id
    with unfinished_uploads.UploadWriter(upload_id, 0) as writer:
        writer.write(content)
    return upload_id


def submit(
    taken: Intake,
    *,
    kind: ScanKind,
    indication: str,
    upload_id: uuid.UUID | None,
    despite: Sequence[Doubt] = (),
    by: User,
) -> Submitted:
    """Store the picture and create the scan; delete the file again if the database refuses the scan.

    Raises NotFound, Invalid, and AlreadyFinished with the scan of the first form when the same form arrives twice
    (a second click, a lost response). A form with another kind or other words counts as a separate form.
    """
    key = storage().put("scans", taken.suffix, taken.content)
    original = storage().put("originals", PNG.suffix, taken.original) if taken.original else None
    committed: list[str] = []
    try:
        with transaction():
            after_commit(lambda: committed.append(key))  # registered first, because later callbacks may fail
            earlier = sent_again.just_submitted(taken, by=by)
            same = [
                each for each in earlier if sent_again.says_the_same(each, kind=kind, indication=indication)
            ]
            if same and upload_id is None:
                raise uploads.AlreadyFinished(same[0].id)
            scan = services.submit_scan(
                taken, key, kind=kind, indication=indication, original_key=original, despite=despite, by=by
            )
            owe(MailKind.SCAN_RECEIVED, by, scan.id)
            made = Submitted(scan.id, sent_anew=bool(earlier) and not same)
            if upload_id:
                uploads.finish(upload_id, made.scan_id, by=by)
    except IntegrityError:  # the database refused: nothing was committed
        _take_away(key, original)
        raise
    except DBAPIError:
        raise  # connection lost during commit: unknown whether it committed; the file stays, the sweeper decides
    except BaseException:
        if not committed:
            _take_away(key, original)
        raise
    if upload_id:
        uploads.forget_file(upload_id)
    return made


def _take_away(*keys: str | None) -> None:
    """Delete the files of a scan that was not created."""
    for key in filter(None, keys):
        storage().delete(key)
