"""Hostile and odd files, each through the real child process: taken as what, or refused with which sentence.

The files themselves, and what is expected of each, stand in tests/corpus.py.
"""

import io
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import func, select

from csss.confinement.parent import Room
from csss.database import db
from csss.errors import Invalid
from csss.scans import intake
from csss.scans.decoder import PREVIEW, THUMBNAIL
from csss.scans.intake import DECODER, take_in
from csss.scans.models import Scan
from csss.scans.uploads.models import Upload
from tests.corpus import CASES, COSTLY, LIMIT, Case, Taken
from tests.factories import Clinic
from tests.integration.test_uploads import Line
from tests.odd_files import EICAR_LIKE, MARK, jpeg, png, saved
from tests.odd_values import FILE_NAMES
from tests.unit.test_confined import children
from tests.visitor import Visitor, soup

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {case.name: case for case in CASES}
# One of each sort: what a resumable upload and a form do with them is the same as with all others of that sort.
SOME = [
    "text",
    "DICOM",
    "JPEG and archive",
    "PNG with a program in its text",
    "PNG of 100,000 × 100,000",
    "text that unpacks to a gigabyte",
    "JPEG: half",
    "JPEG: half and an end mark",
    "JPEG: 2,000 bytes less at one third",
    "PNG: 600 rows said, 300 held",
    "a strip",
    "drawn in its alpha",
    "63 × 64",
    "16-bit grey",
    "palette with alpha",
    "JPEG: without its end mark",
    "JPEG for printing, inverted",
    "animation",
    "photograph with a second one in it",
]


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the child less than it has in life."""

    def set_limits(*, patience: float = 15, at_once: int = 2, **limits: Any) -> Room:
        room = Room(DECODER._replace(**limits), at_once=at_once, patience=patience)
        monkeypatch.setattr(intake, "_room", room)
        return room

    return set_limits


def test_there_are_enough_of_them_and_no_two_alike() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert set(SOME) <= set(BY_NAME)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_file_is_taken_or_refused_as_it_should(case: Case, strict: Any) -> None:
    if case.expected == COSTLY:
        strict(cpu_seconds=1)
    try:
        taken = take_in(case.make(), limit=LIMIT)
    except Invalid as refused:
        assert refused.errors == {"file": case.expected}
        return
    stored = Image.open(io.BytesIO(taken.content))
    assert Taken(stored.format or "", stored.mode, *stored.size) == case.expected
    assert (taken.width, taken.height, taken.media_type) == (
        *stored.size,
        f"image/{str(stored.format).lower()}",
    )
    stored.load()
    assert set(stored.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}, "nothing but pixels"
    assert getattr(stored, "n_frames", 1) == 1
    for size in (PREVIEW, THUMBNAIL):
        small = Image.open(io.BytesIO(taken.small[size]))
        assert small.format == "JPEG" and max(small.size) <= size.side
        assert len(taken.small[size]) <= size.bytes
    for written in (taken.content, *taken.small.values()):
        for trace in (
            EICAR_LIKE,
            MARK,
            b"PK\x03\x04",
            b"<script",
            b"<?php",
            b"%PDF",
            b"Exif",
            b"GPS",
            b"ICC",
        ):
            assert trace not in written


def test_a_picture_that_takes_too_much_memory_is_refused_and_leaves_no_child(strict: Any) -> None:
    room = strict(memory=30_000_000)
    before = children()
    with pytest.raises(Invalid) as refused:
        take_in(saved(Image.new("RGB", (4000, 4000))), limit=LIMIT)
    assert refused.value.errors == {"file": COSTLY}
    room.close()
    assert children() <= before


# Through the pages


def rows(of: type) -> int:
    return db.session.scalar(select(func.count()).select_from(of)) or 0


def files(app: Flask) -> list[Path]:
    return [path for path in app.config["CSSS"].storage_folder.rglob("*") if path.is_file()]


def send(patient: Visitor, file: Any, **more: Any) -> Any:
    fields = {"kind": "chest_xray", "indication": "Cough", "file": file, **more}
    return patient.post("/patient/scans", fields, content_type="multipart/form-data")


@pytest.mark.parametrize("way", ["form", "pieces"])
def test_the_pages_take_and_refuse_the_same_files(
    patient: Visitor, clinic: Clinic, app: Flask, way: str
) -> None:
    line = Line(patient)
    for name in SOME:
        case = BY_NAME[name]
        known = rows(Scan)
        if way == "form":
            # Each from another patient: some of these hold the same pixels, and whoever sends those twice is asked.
            sender = clinic.visitor(clinic.person("patient"))
            answer = send(sender, (io.BytesIO(case.make()), case.file_name))
            accepted = answer.status_code == 303
        else:
            answer = line.finish(line.whole(case.make()))
            accepted = answer.status_code == 204
        assert accepted == isinstance(case.expected, Taken), f"{name}: {answer.status_code}"
        assert rows(Scan) == known + accepted, name
        if not accepted:
            assert answer.status_code == 422, name
            assert case.expected in soup(answer).select_one("#file-error").get_text(), name  # type: ignore[union-attr]
    assert len(list(app.config["CSSS"].storage_folder.glob("scans/*/*"))) == rows(Scan)
    assert not [path for path in files(app) if path.suffix in {".part", ".partial"}]


def test_what_the_child_could_not_bear_is_a_sentence_and_nothing_is_stored(
    patient: Visitor, app: Flask, strict: Any
) -> None:
    strict(memory=30_000_000)
    content = saved(Image.new("RGB", (4000, 4000)))
    answers = [send(patient, (io.BytesIO(content), "scan.png"))]
    line = Line(patient)
    answers.append(line.finish(line.whole(content)))
    for answer in answers:
        assert answer.status_code == 422
        assert COSTLY in soup(answer).select_one("#file-error").get_text()  # type: ignore[union-attr]
    assert rows(Scan) == rows(Upload) == 0 and files(app) == []


def test_who_comes_when_too_many_are_checked_need_not_send_the_picture_again(
    patient: Visitor, strict: Any
) -> None:
    room = strict(at_once=1, patience=0.01)
    line = Line(patient)
    upload = line.whole(png())
    room._places.acquire()
    answer = line.finish(upload)
    assert answer.status_code == 422
    assert "Send yours again in a minute" in soup(answer).select_one("#file-error").get_text()  # type: ignore[union-attr]
    room._places.release()
    assert line.finish(upload).status_code == 204


def test_no_name_of_a_file_is_ever_used(patient: Visitor, app: Flask) -> None:
    for name in FILE_NAMES:
        answer = send(patient, (io.BytesIO(png()), name))
        if "\r\n" in name:  # it ends the line that names the file: what is left is no file
            assert answer.status_code == 422
            continue
        assert answer.status_code == 303, repr(name)
        page = patient.get(answer.headers["Location"])
        assert page.status_code == 200
        assert "onerror" not in page.get_data(as_text=True) and "X-Evil" not in page.headers
    for scan in db.session.scalars(select(Scan)):
        served = patient.get(f"/scans/{scan.id}/image")
        assert served.headers["Content-Disposition"] == f'inline; filename="scan-{scan.id}.png"'
        assert (served.mimetype, served.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert "sandbox" in served.headers["Content-Security-Policy"]
    for path in files(app):
        assert path.parts[-3] in {"scans", "previews", "thumbnails"}
        assert len(path.stem) == 32 and path.suffix in {".png", ".jpg"}


def multipart(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--limit\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts) + (
        b"--limit--\r\n"
    )


def field(name: str, value: str) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', value.encode()


def file_part(content: bytes, disposition: str = 'name="file"; filename="a.png"') -> tuple[str, bytes]:
    return f"Content-Disposition: form-data; {disposition}\r\nContent-Type: image/png", content


MULTIPART = [
    pytest.param([file_part(jpeg()), file_part(b"<script>")], 303, "image/jpeg", id="two files"),
    pytest.param([file_part(b"<script>"), file_part(jpeg())], 422, "", id="two files, the first no picture"),
    pytest.param([file_part(png(), 'name="file"')], 422, "", id="no file name"),
    pytest.param([file_part(png(), 'name="file"; filename=""')], 422, "", id="an empty file name"),
    pytest.param([file_part(png(), 'name="other"; filename="a.png"')], 422, "", id="another field"),
    pytest.param([field("file", "../../etc/passwd")], 422, "", id="the field as text"),
    pytest.param([], 422, "", id="no field"),
    pytest.param(
        [file_part(png(), "name=\"file\"; filename*=UTF-8''..%2F..%2Fa%0d%0ab.png")],
        303,
        "image/png",
        id="an encoded name",
    ),
    pytest.param(
        [(f"{file_part(b'')[0]}\r\nContent-Transfer-Encoding: base64", b"aGVsbG8=")],
        422,
        "",
        id="encoded contents",
    ),
]


@pytest.mark.parametrize(("parts", "status", "media_type"), MULTIPART)
def test_tricks_with_the_parts_of_a_form(
    patient: Visitor, app: Flask, parts: list[tuple[str, bytes]], status: int, media_type: str
) -> None:
    patient.get("/patient/")
    fields = [
        field("csrf_token", patient._token()),
        field("kind", "chest_xray"),
        field("indication", "Cough"),
    ]
    with app.app_context():
        answer = patient.client.post(
            "/patient/scans",
            data=multipart(*fields, *parts),
            content_type="multipart/form-data; boundary=limit",
        )
    assert answer.status_code == status
    assert [scan.media_type for scan in db.session.scalars(select(Scan))] == (
        [media_type] if media_type else []
    )
    if status == 422:
        assert files(app) == []


# The web process


MEASURE = r"""
    import json, resource, sys
    from csss.errors import Invalid
    from csss.scans import intake
    from tests.corpus import CASES
    wanted = sys.argv[1:]
    files = [case.make() for case in CASES if case.name in wanted]
    intake.take_in(files[-1], limit=10_000_000)

    def held(what):
        with open("/proc/self/status") as status:
            return int(next(line for line in status if line.startswith(what)).split()[1]) / 1000

    before = held("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")
    for content in files:
        try:
            intake.take_in(content, limit=10_000_000)
        except Invalid:
            pass
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    print(json.dumps({"more": held("VmHWM") - before, "child": child}))
"""


def test_no_file_costs_the_web_process_more_than_its_own_bytes() -> None:
    wanted = ["40 million pixels", "rows without end", "colour profile that unpacks to a gigabyte", "palette"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), *wanted],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told = json.loads(done.stdout)
    assert told["more"] < 20, "MB, where the largest of them has 40 once it is unpacked"
    assert told["child"] < 300
