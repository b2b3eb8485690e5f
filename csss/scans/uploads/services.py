"""Begin, find, finish and remove uploads. Functions that change rows belong inside transaction()."""

import hashlib
import logging
import uuid
from datetime import timedelta

from sqlalchemy import delete, select, update

from csss.clock import now
from csss.database import after_commit, changed_rows, db, transaction
from csss.errors import Invalid, NotFound, Refused
from csss.i18n import _, _l
from csss.people import patients
from csss.people.models import User
from csss.scans import intake, services
from csss.scans.uploads.models import Upload
from csss.storage import unfinished_uploads

log = logging.getLogger(__name__)

LIFE = timedelta(hours=24)
MAX_OPEN = 4
GONE = _l("There is no such upload.")


def begin(*, length: int, digest: str, limit: int, by: User) -> tuple[Upload, bool]:
    """Create an upload of `length` bytes, or return this patient's unfinished one of the same file; True when it is
    new.

    `digest` is the SHA-256 of the file as hex, or empty. Belongs inside transaction(). Raises NotFound, Invalid
    (`file`).
    """
    patient = patients.held(
        by
    )  # locks the patient: each of several concurrent uploads counts the earlier ones
    if length == 0:
        raise Invalid(file=_("The file is empty. Choose the picture again."))
    intake.check_length(length, limit=limit)
    open_ones = db.session.scalars(
        select(Upload)
        .where(Upload.patient_id == patient.id, Upload.scan_id.is_(None), Upload.expires_at > now())
        .order_by(Upload.created_at)
    ).all()
    for known in open_ones:
        if digest and known.digest == digest and known.length == length and _is_there(known):
            return known, False
    services.check_may_send(patient)  # refuse before a slow connection has sent the picture
    for old in open_ones[: max(0, len(open_ones) - MAX_OPEN + 1)]:
        _remove(old.id)
    upload = Upload(
        id=uuid.uuid4(), patient_id=patient.id, length=length, digest=digest, expires_at=now() + LIFE
    )
    db.session.add(upload)
    upload_id = upload.id
    after_commit(
        lambda: unfinished_uploads.create(upload_id)
    )  # after the commit, because a file without a row would stay for ever
    return upload, True


def _is_there(upload: Upload) -> bool:
    try:
        return unfinished_uploads.length(upload.id) <= upload.length
    except FileNotFoundError:
        return False


def own(upload_id: uuid.UUID, by: User) -> Upload:
    """This patient's upload, unfinished and not expired. Raises NotFound."""
    upload = _find(upload_id, by)
    if upload is None or upload.scan_id is not None:
        raise NotFound(str(GONE))
    return upload


def _find(upload_id: uuid.UUID, by: User) -> Upload | None:
    upload = db.session.get(Upload, upload_id)
    if upload is None or by.patient is None or upload.patient_id != by.patient.id:
        return None
    return upload if upload.expires_at > now() else None


def offset(upload: Upload) -> int:
    """The number of bytes that have arrived. Raises NotFound when the file is gone."""
    try:
        return unfinished_uploads.length(upload.id)
    except FileNotFoundError:
        raise NotFound(str(GONE)) from None


def scan_made_of(upload_id: uuid.UUID, by: User) -> uuid.UUID | None:
    """The scan that this upload has become, when the form is sent a second time."""
    upload = _find(upload_id, by)
    return upload.scan_id if upload else None


class Incomplete(Invalid):
    """The file is not here (any more), or not complete. What has arrived stays."""


def content(upload_id: uuid.UUID, by: User) -> bytes:
    """The whole file. Raises Incomplete, or Invalid when it was damaged in transit (both for the field `file`)."""
    upload = _find(upload_id, by)
    try:
        found = unfinished_uploads.read(upload_id) if upload is not None and upload.scan_id is None else b""
    except FileNotFoundError:
        found = b""
    if upload is None or len(found) != upload.length:
        raise Incomplete(file=_("The picture has not arrived completely. Send it again."))
    if upload.digest and hashlib.sha256(found).hexdigest() != upload.digest:
        raise Invalid(file=_("The picture was damaged on its way. Send it again."))
    return found


class AlreadyFinished(Refused):
    """The same form arrived twice at once; `scan_id` is the scan that the other one made of the upload."""

    def __init__(self, scan_id: uuid.UUID) -> None:
        super().__init__(_("This upload has become a scan already."))
        self.scan_id = scan_id


def finish(upload_id: uuid.UUID, scan_id: uuid.UUID, *, by: User) -> None:
    """Record which scan it has become. Belongs inside transaction(). Raises AlreadyFinished, NotFound."""
    db.session.flush()  # insert the scan's row first, because this row refers to it
    open_one = update(Upload).where(Upload.id == upload_id, Upload.scan_id.is_(None))
    if changed_rows(open_one.values(scan_id=scan_id)):
        return
    db.session.expire_all()
    if (known := scan_made_of(upload_id, by)) is None:
        raise NotFound(str(GONE))
    raise AlreadyFinished(known)


def forget_file(upload_id: uuid.UUID) -> None:
    """Delete the uploaded file once the scan is stored."""
    unfinished_uploads.remove(upload_id)


def cancel(upload_id: uuid.UUID, *, by: User) -> None:
    """Cancel an upload. Belongs inside transaction(). Raises NotFound."""
    _remove(own(upload_id, by).id)


def _remove(upload_id: uuid.UUID) -> None:
    # Delete the file first: if the process stops in between, the row leads the sweeper here again.
    unfinished_uploads.remove(upload_id)
    db.session.execute(delete(Upload).where(Upload.id == upload_id))


def sweep_expired() -> int:
    """Remove expired uploads, rows and files; returns how many. Safe to run in several processes at once."""
    query = select(Upload.id).where(Upload.expires_at <= now()).limit(500)
    found = db.session.scalars(query).all()
    db.session.commit()
    if not found:
        return 0
    with transaction():
        for upload_id in found:
            _remove(upload_id)
    log.info("removed %d uploads that had expired", len(found))
    return len(found)
