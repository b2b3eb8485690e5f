"""A patient's picture becomes a scan: opened, stored, and taken away again when the database does not take the scan.

Every function opens its own transaction, because no lock waits while a picture is opened or stored.
"""

import uuid
from contextlib import suppress
from dataclasses import dataclass

from flask import current_app
from sqlalchemy.exc import DBAPIError, IntegrityError

from csss.database import after_commit, transaction
from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.people.models import User
from csss.picture_formats import PNG
from csss.scans import intake, services, upload_checks
from csss.scans.intake import Intake
from csss.scans.states import ScanKind
from csss.scans.uploads import services as uploads
from csss.storage.files import storage


@dataclass(frozen=True)
class Submitted:
    """The scan that was made. `sent_anew`: the same picture had just been sent, with another kind or other words."""

    scan_id: uuid.UUID
    sent_anew: bool


def take_in(content: bytes, *, form_is_valid: bool, by: User) -> Intake:
    """The picture as it is stored. Raises NotFound, Invalid; always Invalid where the rest of the form is not valid.

    No picture is opened for such a form, but all that is wrong is told at once, as far as it can be seen.
    """
    limit = current_app.config["CSSS"].upload_bytes
    if by.patient is None:
        raise NotFound(_("Only patients upload scans."))
    if form_is_valid:
        return upload_checks.take_in(content, limit=limit, patient=by.patient)
    intake.look_at(content, limit=limit)
    raise Invalid()


def take_in_upload(upload_id: uuid.UUID, *, form_is_valid: bool, by: User) -> Intake:
    """As `take_in`, of a picture that came in pieces; what is no scan is not kept."""
    try:
        return take_in(uploads.content(upload_id, by), form_is_valid=form_is_valid, by=by)
    except (uploads.Incomplete, intake.TryLater, services.UsedUp):
        raise
    except Invalid as refusal:
        if refusal.errors:  # else it is the rest of the form
            with transaction(), suppress(NotFound):
                uploads.cancel(upload_id, by=by)
        raise


def submit(
    taken: Intake, *, kind: ScanKind, indication: str, upload_id: uuid.UUID | None, by: User
) -> Submitted:
    """Store the picture and begin its life; the file goes again when the database does not take the scan.

    Raises NotFound, Invalid, and AlreadyFinished with the scan of the first form when a form comes twice (a second press, an
    answer that was lost). With another kind or other words it is a form of its own.
    """
    key = storage().put("scans", taken.suffix, taken.content)
    original = storage().put("originals", PNG.suffix, taken.original) if taken.original else None
    committed: list[str] = []
    try:
        with transaction():
            after_commit(lambda: committed.append(key))  # the first thing: what follows it may fail
            earlier = services.just_submitted(taken, by=by)
            same = [
                each for each in earlier if services.says_the_same(each, kind=kind, indication=indication)
            ]
            if same and upload_id is None:
                raise uploads.AlreadyFinished(same[0].id)
            scan = services.submit_scan(
                taken, key, kind=kind, indication=indication, original_key=original, by=by
            )
            made = Submitted(scan.id, sent_anew=bool(earlier) and not same)
            if upload_id:
                uploads.finish(upload_id, made.scan_id, by=by)
    except IntegrityError:  # the database has looked and said no: nothing was committed
        _take_away(key, original)
        raise
    except DBAPIError:
        raise  # a line that broke at the commit leaves open whether it happened: the file stays, or is swept
    except BaseException:
        if not committed:
            _take_away(key, original)
        raise
    if upload_id:
        uploads.forget_file(upload_id)
    return made


def _take_away(*keys: str | None) -> None:
    """Files of a scan that did not come to be."""
    for key in filter(None, keys):
        storage().delete(key)
