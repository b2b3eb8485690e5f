"""Resumable uploads: a file arrives in chunks, and continues where it stopped after a lost connection.

The protocol is that of tus 1.0 (core, creation, termination, expiration;
https://tus.io/protocols/resumable-upload), with our session instead of an open URL, the form token in
`X-CSRFToken`, and a plain form as the last step.

 1. `POST /patient/uploads` with `Upload-Length` (bytes) and, where the browser can calculate it, `Repr-Digest:
    sha-256=:<base64>:` (RFC 9530) answers 201 with `Location`, `Upload-Offset: 0` and `Upload-Expires`. If this patient
    already has an unfinished upload of the same length and digest, the answer is 200 with that upload and its offset. So
    an upload continues after a page reload, in another day's session or in another browser, and the browser stores
    nothing. 413 with a sentence for a file above the limit.
 2. `HEAD <Location>` answers 204 with `Upload-Offset` and `Upload-Length`: where to continue.
 3. `PATCH <Location>` with `Content-Type: application/offset+octet-stream` and `Upload-Offset` appends the body and
    answers 204 with the new offset. What has arrived of an interrupted chunk is kept. 409 with the true offset when the
    client's offset is wrong; 415 for another content type.
 4. `POST /patient/scans`, the plain form, with `upload` (the id) instead of `file`. The content is checked only there, so
    a hostile file gets the same 422 beside the field. When the form is sent again because the answer was lost, it leads
    to the same scan.
 5. `DELETE <Location>` cancels the upload (204).

Each address belongs to one patient; for anybody else, and after it has expired, it is 404. A partial file is never
served. A patient has at most `MAX_OPEN` uploads; one more replaces the oldest. Each is at most as large as a scan
may be, and is removed after `LIFE`. The files are in the storage folder that all web processes share.

A chunk is written at its offset and nowhere else. So it does no harm when a request that only seemed dead writes at
the same time as the one that replaced it: both carry the same bytes, and the digest of the whole file is checked at
the end.
"""
