"""A picture that comes in pieces: it goes on from where the line broke, and is checked like any other."""

import base64
import hashlib
import io
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update
from werkzeug.test import TestResponse

from csss.clock import now
from csss.database import db, transaction
from csss.people.models import User
from csss.scans.models import Scan
from csss.scans.uploads import services
from csss.scans.uploads.models import Upload
from csss.storage import unfinished_uploads
from csss.storage.files import storage
from tests.factories import Clinic, picture
from tests.visitor import Visitor, soup, words

PIECE = "application/offset+octet-stream"


class Line:
    """A browser's side of the protocol, step by step."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.token = str(visitor.page("/patient/").select_one("[name=csrf_token]")["value"])  # type: ignore[index]

    def ask(self, method: str, url: str, **more: object) -> TestResponse:
        headers = {"X-CSRFToken": self.token, **more.pop("headers", {})}  # type: ignore[dict-item]
        with self.visitor.app.app_context():
            answer = self.visitor.client.open(url, method=method, headers=headers, **more)  # type: ignore[arg-type]
        db.session.remove()
        return answer

    def begin(self, content: bytes, *, digest: bool = True, length: int | None = None) -> TestResponse:
        headers = {"Upload-Length": str(len(content) if length is None else length)}
        if digest:
            value = base64.b64encode(hashlib.sha256(content).digest()).decode()
            headers["Repr-Digest"] = f"sha-256=:{value}:"
        return self.ask("POST", "/patient/uploads", headers=headers)

    def send(self, url: str, piece: bytes, offset: int, **more: object) -> TestResponse:
        headers = {"Upload-Offset": str(offset)}
        return self.ask("PATCH", url, **{"headers": headers, "data": piece, "content_type": PIECE, **more})

    def offset(self, url: str) -> int:
        return int(self.ask("HEAD", url).headers["Upload-Offset"])

    def whole(self, content: bytes) -> str:
        """Send everything; the upload's id."""
        url = self.begin(content).headers["Location"]
        assert self.send(url, content, 0).status_code == 204
        return url.rpartition("/")[2]

    def finish(self, upload: str, **more: str) -> TestResponse:
        fields = {"kind": "chest_xray", "indication": "Cough", "upload": upload}
        return self.visitor.post("/patient/scans", fields | more, htmx=True)


class BreaksOff(io.RawIOBase):
    """A request's body of which only the beginning arrives."""

    def __init__(self, arrives: bytes) -> None:
        self.left = arrives

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def line(patient: Visitor) -> Line:
    return Line(patient)


def parts(app: Flask) -> list[Path]:
    return list(app.config["CSSS"].storage_folder.rglob("*.part"))


def rows(of: type = Upload) -> int:
    return db.session.scalar(select(func.count()).select_from(of)) or 0


def test_a_picture_in_pieces_becomes_the_same_scan_as_in_one(line: Line, app: Flask) -> None:
    content = picture()
    begun = line.begin(content)
    url = begun.headers["Location"]
    assert (begun.status_code, begun.headers["Upload-Offset"]) == (201, "0")
    assert begun.headers["Upload-Expires"].endswith("GMT")
    half = len(content) // 2
    assert line.send(url, content[:half], 0).headers["Upload-Offset"] == str(half)
    assert line.offset(url) == half
    assert line.send(url, content[half:], half).headers["Upload-Offset"] == str(len(content))
    answer = line.finish(url.rpartition("/")[2])
    assert answer.status_code == 204 and answer.headers["HX-Redirect"].startswith("/patient/scans/")
    scan = db.session.scalars(select(Scan)).one()
    assert (scan.width, scan.height) == (256, 240)
    assert parts(app) == []


def test_what_has_arrived_of_a_broken_piece_is_kept(line: Line) -> None:
    content = os.urandom(100_000)
    url = line.begin(content).headers["Location"]
    arrives = {"wsgi.input": BreaksOff(content[:40_000]), "CONTENT_LENGTH": "100000"}
    broken = line.send(url, b"", 0, environ_overrides=arrives)
    assert broken.status_code == 204
    assert line.offset(url) == 40_000
    assert line.send(url, content[40_000:], 40_000).headers["Upload-Offset"] == "100000"


def test_after_the_page_was_loaded_anew_the_same_file_goes_on(clinic: Clinic, line: Line) -> None:
    content = os.urandom(49_999) + b"a"
    url = line.begin(content).headers["Location"]
    line.send(url, content[:20_000], 0)
    another_browser = Line(clinic.visitor(line.visitor.user))
    again = another_browser.begin(content)
    assert (again.status_code, again.headers["Location"]) == (200, url)
    assert again.headers["Upload-Offset"] == "20000"
    assert another_browser.begin(content[:-1] + b"b").headers["Location"] != url


def test_a_wrong_offset_is_told_the_right_one(line: Line) -> None:
    url = line.begin(b"0" * 1000).headers["Location"]
    line.send(url, b"0" * 400, 0)
    wrong = line.send(url, b"0" * 400, 0)
    assert (wrong.status_code, wrong.headers["Upload-Offset"]) == (409, "400")
    assert line.offset(url) == 400


def test_more_than_was_announced_is_refused(line: Line) -> None:
    url = line.begin(b"0" * 1000).headers["Location"]
    assert line.send(url, b"0" * 1001, 0).status_code == 413
    assert line.offset(url) == 0


@pytest.mark.parametrize(
    ("headers", "kind", "status"),
    [({"Upload-Offset": "0"}, "text/plain", 415), ({"Upload-Offset": "-1"}, PIECE, 400), ({}, PIECE, 400)],
)
def test_what_no_browser_of_ours_sends(line: Line, headers: dict[str, str], kind: str, status: int) -> None:
    url = line.begin(b"0" * 10).headers["Location"]
    assert line.ask("PATCH", url, headers=headers, content_type=kind, data=b"0").status_code == status
    assert line.ask("POST", "/patient/uploads", headers={"Upload-Length": "ten"}).status_code == 400


@pytest.mark.parametrize(("length", "words"), [(10_000_001, "at most 10 MB"), (0, "The file is empty")])
def test_a_file_that_could_not_be_taken_is_refused_before_it_is_sent(
    line: Line, length: int, words: str
) -> None:
    answer = line.begin(b"", length=length)
    assert answer.status_code == 413
    assert words in answer.get_data(as_text=True)
    assert rows() == 0


def test_hostile_contents_are_refused_beside_the_field_and_not_kept(line: Line, app: Flask) -> None:
    answer = line.finish(line.whole(b"<script>no picture</script>"), indication="My <b>own</b> words")
    assert answer.status_code == 422
    page = soup(answer)
    assert "no picture that can be read here" in page.select_one("#file-error").get_text()  # type: ignore[union-attr]
    assert page.select_one("#indication").get_text().strip() == "My <b>own</b> words"  # type: ignore[union-attr]
    assert parts(app) == [] and rows() == 0 and rows(Scan) == 0


def test_when_only_the_form_is_wrong_the_picture_need_not_be_sent_again(line: Line) -> None:
    content = picture()
    upload = line.whole(content)
    assert line.finish(upload, kind="").status_code == 422
    again = line.begin(content)
    assert again.headers["Location"].endswith(upload)
    assert again.headers["Upload-Offset"] == str(len(content))
    assert line.finish(upload).status_code == 204


def test_the_form_without_the_whole_picture_is_refused_and_what_arrived_stays(line: Line) -> None:
    content = picture()
    url = line.begin(content).headers["Location"]
    line.send(url, content[:100], 0)
    answer = line.finish(url.rpartition("/")[2])
    assert answer.status_code == 422
    assert "not arrived completely" in soup(answer).select_one("#file-error").get_text()  # type: ignore[union-attr]
    assert line.offset(url) == 100


def test_a_picture_damaged_on_its_way_is_noticed(line: Line, app: Flask) -> None:
    content = picture()
    url = line.begin(content).headers["Location"]
    line.send(url, bytes(len(content)), 0)
    answer = line.finish(url.rpartition("/")[2])
    assert "damaged on its way" in answer.get_data(as_text=True)
    assert parts(app) == []


def test_a_form_that_is_sent_twice_leads_to_one_scan(line: Line) -> None:
    upload = line.whole(picture())
    first, second = line.finish(upload), line.finish(upload)
    assert first.headers["HX-Redirect"] == second.headers["HX-Redirect"]
    assert rows(Scan) == 1


def test_two_forms_at_the_same_moment_lead_to_one_scan(
    line: Line, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = line.whole(picture())
    first = line.finish(upload)
    # The second one had read the file and looked for a scan before the first was done.
    looks = iter([None])
    ask = services.scan_made_of
    monkeypatch.setattr(services, "scan_made_of", lambda *given: next(looks, ask(*given)))
    monkeypatch.setattr(services, "content", lambda *_: picture())
    second = line.finish(upload)
    assert first.headers["HX-Redirect"] == second.headers["HX-Redirect"]
    assert rows(Scan) == 1
    assert len(list(app.config["CSSS"].storage_folder.glob("scans/*/*"))) == 1


def test_cancelled_nothing_is_kept(line: Line, app: Flask) -> None:
    url = line.begin(b"0" * 100).headers["Location"]
    line.send(url, b"0" * 50, 0)
    assert line.ask("DELETE", url).status_code == 204
    assert parts(app) == [] and rows() == 0
    assert line.ask("HEAD", url).status_code == 404
    assert line.send(url, b"0" * 50, 50).status_code == 404


def test_a_further_upload_takes_the_place_of_the_oldest(line: Line, app: Flask) -> None:
    urls = [line.begin(os.urandom(9)).headers["Location"] for _ in range(services.MAX_OPEN + 2)]
    statuses = [line.ask("HEAD", url).status_code for url in urls]
    assert statuses == [404, 404] + [204] * services.MAX_OPEN
    assert len(parts(app)) == services.MAX_OPEN


@pytest.mark.both_databases
def test_however_many_begin_at_once_no_more_stay_open_than_may(app: Flask, clinic: Clinic) -> None:
    user_id, many = clinic.person("patient").id, 8
    start = threading.Barrier(many)
    db.session.remove()

    def begin(_: int) -> None:
        with app.app_context():
            start.wait(timeout=20)
            with transaction():
                by = db.session.get_one(User, user_id)
                services.begin(length=1000, digest="", limit=10_000, by=by)

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(begin, range(many)))
    assert rows() == services.MAX_OPEN
    assert len(parts(app)) == services.MAX_OPEN


def test_what_nobody_finishes_is_swept_away(line: Line, app: Flask) -> None:
    url = line.begin(b"0" * 100).headers["Location"]
    finished = line.whole(picture())
    line.finish(finished)
    with transaction():
        db.session.execute(update(Upload).values(expires_at=now() - timedelta(seconds=1)))
    assert line.ask("HEAD", url).status_code == 404
    assert services.sweep_expired() == 2
    assert parts(app) == [] and rows() == 0
    assert rows(Scan) == 1


def test_other_peoples_uploads_are_not_there(line: Line, clinic: Clinic) -> None:
    upload = line.whole(picture())
    stranger = Line(clinic.visitor(clinic.person("patient")))
    url = f"/patient/uploads/{upload}"
    assert stranger.ask("HEAD", url).status_code == 404
    assert stranger.send(url, b"0", 0).status_code == 404
    assert stranger.ask("DELETE", url).status_code == 404
    assert stranger.finish(upload).status_code == 422
    assert stranger.finish(str(uuid.uuid4())).status_code == 422
    assert line.finish(upload).status_code == 204


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_no_other_site_can_send_pieces(line: Line, method: str) -> None:
    url = line.begin(b"0" * 10).headers["Location"]
    line.token = ""
    assert line.ask(method, url, headers={"Upload-Offset": "0"}, content_type=PIECE).status_code == 400
    assert line.ask("POST", "/patient/uploads", headers={"Upload-Length": "1"}).status_code == 400


def test_partial_files_are_readable_by_their_owner_only(line: Line, app: Flask) -> None:
    line.begin(b"0" * 10)
    (part,) = parts(app)
    assert part.stat().st_mode & 0o777 == 0o600


def test_a_slow_line_holds_no_connection_to_the_database(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece may take minutes; so many patients at once would leave no connection for anybody's page."""
    content = picture()
    url = line.begin(content).headers["Location"]
    held: list[bool] = []
    write = unfinished_uploads.UploadWriter.write

    def looked_at(self: unfinished_uploads.UploadWriter, piece: bytes) -> None:
        held.append(db.session.registry().in_transaction())
        write(self, piece)

    monkeypatch.setattr(unfinished_uploads.UploadWriter, "write", looked_at)
    assert line.send(url, content, 0).status_code == 204
    assert held and not any(held)


def test_an_upload_that_is_cancelled_while_a_piece_comes_is_gone(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture()
    url = line.begin(content).headers["Location"]
    upload_id = uuid.UUID(url.rpartition("/")[2])
    write = unfinished_uploads.UploadWriter.write

    def cancelled(self: unfinished_uploads.UploadWriter, piece: bytes) -> None:
        write(self, piece)
        with transaction():
            db.session.execute(delete(Upload).where(Upload.id == upload_id))
        unfinished_uploads.remove(upload_id)

    monkeypatch.setattr(unfinished_uploads.UploadWriter, "write", cancelled)
    assert line.send(url, content, 0).status_code == 404


def test_what_fails_after_the_scan_is_in_the_database_takes_no_picture_away(
    line: Line, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("something after the commit")

    content = picture()
    upload = line.whole(content)
    monkeypatch.setattr("csss.scans.previews._keep", broken)
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert line.finish(upload).status_code == 500
    scan = db.session.scalars(select(Scan)).one()
    assert storage().read(scan.file_key)


class Pauses(io.RawIOBase):
    """A request's body that comes only when it is told to."""

    def __init__(self, content: bytes) -> None:
        self.left, self.is_read, self.goes_on = content, threading.Event(), threading.Event()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.is_read.set()
        assert self.goes_on.wait(60)
        piece, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("settings", [{"web_threads": 8}], indirect=True)
def test_one_patient_holds_two_of_eight_threads_and_others_can_still_send(
    app: Flask, clinic: Clinic, patient: Visitor
) -> None:
    lines = [Line(clinic.visitor(patient.user)) for _ in range(3)]
    contents = [os.urandom(40_000) for _ in lines]
    urls = [line.begin(content).headers["Location"] for line, content in zip(lines, contents, strict=True)]
    bodies = [Pauses(content) for content in contents]

    def send(number: int) -> TestResponse:
        arrives = {"wsgi.input": bodies[number], "CONTENT_LENGTH": "40000"}
        with app.app_context():
            return lines[number].send(urls[number], b"", 0, environ_overrides=arrives)

    with ThreadPoolExecutor() as threads:
        sent = [threads.submit(send, number) for number in range(2)]
        assert all(body.is_read.wait(60) for body in bodies[:2])
        refused = send(2)
        assert refused.status_code == 429 and not bodies[2].is_read.is_set()
        assert "You are sending 2 pictures already" in words(refused)
        assert Line(clinic.visitor(clinic.person("patient"))).whole(picture())
        for body in bodies:
            body.goes_on.set()
        assert [each.result().status_code for each in sent] == [204, 204]
    assert send(2).status_code == 204
