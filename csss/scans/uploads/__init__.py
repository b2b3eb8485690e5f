"""Uploads that survive a broken line: a file comes in pieces and goes on from where it stopped.

The protocol is that of tus 1.0 (core, creation, termination, expiration; https://tus.io/protocols/resumable-upload),
with our session instead of an open address, the form token in `X-CSRFToken`, and a last step that is the plain form.

1. `POST /patient/uploads` with `Upload-Length` (bytes) and, where the browser can reckon it, `Repr-Digest:
   sha-256=:<base64>:` (RFC 9530) answers 201 with `Location`, `Upload-Offset: 0` and `Upload-Expires`. When this patient
   has an unfinished upload of the same length and digest already, the answer is 200 with that one and its offset: so an
   upload goes on after the page was loaded anew, on another day's session or in another browser, and nothing has to be
   kept in the browser. 413 with a sentence for a file above the limit.
2. `HEAD <Location>` answers 204 with `Upload-Offset` and `Upload-Length`: where to go on.
3. `PATCH <Location>` with `Content-Type: application/offset+octet-stream` and `Upload-Offset` appends the body and
   answers 204 with the new offset. What has arrived of a piece that breaks off is kept. 409 with the true offset when
   the client is wrong about it; 415 for another content type.
4. `POST /patient/scans`, the plain form, with `upload` (the id) instead of `file`. The contents are checked there and
   nowhere else, so a hostile file meets the same 422 beside the field. Sent twice, because the answer was lost, it
   leads to the same scan.
5. `DELETE <Location>` takes it back (204).

Each address is the patient's own; to anybody else it is 404, and so is one that has expired. A partial file is never
served. A patient has at most `MAX_OPEN` of them, a further one takes the place of the oldest; each is as large as a
scan may be, and is swept away after `LIFE`. They lie in the storage, which all web processes share.

A piece is written at its offset and nowhere else, so it does no harm when the request of a line that only seems dead
writes beside the one that took over: both carry the same bytes, and the digest of the whole is checked at the end.
"""
