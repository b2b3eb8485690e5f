"""Routes: receive a picture in pieces, over a connection that may break. The protocol is described in
`csss.scans.uploads`.
"""

import base64
import binascii
import re
import uuid

from flask import Response, current_app, make_response, request, url_for
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import http_date

from csss.database import db, transaction
from csss.errors import Invalid, NotFound
from csss.people.permissions import Permission
from csss.scans.services import UsedUp
from csss.scans.uploads import services
from csss.scans.uploads.models import Upload
from csss.storage import unfinished_uploads
from csss.web.guard import me, requires, takes_files
from csss.web.patient.blueprint import patient

PIECE_TYPE = "application/offset+octet-stream"
_READ = 16_384  # each part is written at once: an interruption loses no more than this
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")
_ADDRESS = "/uploads/<uuid:upload_id>"


@patient.post("/uploads")
@requires(Permission.SCAN_UPLOAD)
def begin_upload() -> Response:
    """Announce a file, or find the unfinished upload of the same one."""
    length = _number("Upload-Length")
    if length is None:
        return _answer(400)
    try:
        with transaction():
            upload, is_new = services.begin(
                length=length, digest=_digest(), limit=current_app.config["CSSS"].upload_bytes, by=me()
            )
            upload_id = upload.id
    except UsedUp as error:  # not `try_step`: the protocol has answers of its own, without a page
        return _sentence(422, error)
    except Invalid as error:  # not `try_step`: as above
        return _sentence(413, error)
    found = services.own(upload_id, me())
    answer = _state(found, 201 if is_new else 200)
    answer.headers["Location"] = url_for("patient.upload_state", upload_id=upload_id)
    return answer


@patient.route(_ADDRESS, methods=["HEAD"])
@requires(Permission.SCAN_UPLOAD)
def upload_state(upload_id: uuid.UUID) -> Response:
    """Say how many bytes have arrived."""
    return _state(services.own(upload_id, me()))


@patient.patch(_ADDRESS)
@requires(Permission.SCAN_UPLOAD)
@takes_files
def add_piece(upload_id: uuid.UUID) -> Response:
    """Append a piece; when it is interrupted, store as much as has arrived."""
    upload = services.own(upload_id, me())
    if request.mimetype != PIECE_TYPE:
        return _answer(415)
    offset = _number("Upload-Offset")
    if offset is None:
        return _answer(400)
    if offset != services.offset(upload):
        return _state(upload, 409)
    if (request.content_length or 0) > upload.length - offset:
        return _answer(413)
    length = upload.length
    db.session.commit()  # no database connection or snapshot stays open during a slow transfer
    status = 204 if _receive(upload_id, offset, length) else 408
    return _state(
        services.own(upload_id, me()), status
    )  # cancelled or removed by the sweeper meanwhile: not found


@patient.delete(_ADDRESS)
@requires(Permission.SCAN_UPLOAD)
def cancel_upload(upload_id: uuid.UUID) -> Response:
    """Cancel the upload: nothing of it is kept."""
    with transaction():
        services.cancel(upload_id, by=me())
    return _answer(204)


def _receive(upload_id: uuid.UUID, offset: int, length: int) -> bool:
    """Store the bytes that arrive; False when they arrive too slowly (`csss.connections.rates`), so that its thread is
    free again.
    """
    left = length - offset  # the limit also holds for a piece without a Content-Length
    try:
        with unfinished_uploads.UploadWriter(upload_id, offset) as writer:
            while left > 0 and (piece := request.stream.read(min(_READ, left))):
                writer.write(piece)
                left -= len(piece)
    except FileNotFoundError:
        raise NotFound(str(services.GONE)) from None  # cancelled or removed by the sweeper meanwhile
    except (ClientDisconnected, ConnectionError, TimeoutError) as error:
        slow = isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)
        current_app.logger.info("a piece of an upload %s", "came too slowly" if slow else "broke off")
        return not slow
    except RequestEntityTooLarge:
        current_app.logger.info("a piece of an upload was larger than any request may be")
    return True


def _state(upload: Upload, status: int = 204) -> Response:
    answer = _answer(status)
    answer.headers["Upload-Offset"] = str(services.offset(upload))
    answer.headers["Upload-Length"] = str(upload.length)
    answer.headers["Upload-Expires"] = http_date(upload.expires_at)
    return answer


def _answer(status: int) -> Response:
    answer = make_response("", status)
    answer.headers["Tus-Resumable"] = "1.0.0"
    return answer


def _sentence(status: int, error: Invalid) -> Response:
    answer = _answer(status)
    answer.set_data(" ".join(error.errors.values()))
    answer.mimetype = "text/plain"
    return answer


def _number(header: str) -> int | None:
    text = request.headers.get(header, "")
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _digest() -> str:
    """The SHA-256 that the browser sends, as hex; empty when it is missing or invalid."""
    found = _DIGEST.search(request.headers.get("Repr-Digest", ""))
    try:
        raw = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return ""
    return raw.hex() if len(raw) == 32 else ""
