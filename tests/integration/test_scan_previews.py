"""The picture of a scan over a slow line: a small preview first, the whole picture when it is wanted."""

import io
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csss.database import db
from csss.scans import previews
from csss.scans.decoder import PREVIEW, THUMBNAIL, Size, shrink
from csss.scans.intake import take_in
from csss.scans.models import Scan
from csss.scans.previews import SIZES
from csss.storage.files import storage
from csss.storage.folder import FolderStorage
from tests.factories import Clinic, picture
from tests.visitor import Visitor

SCANS = sorted((Path(__file__).parents[2] / "csss" / "demo" / "scans").glob("*.jpg"))


def noise(width: int, height: int) -> bytes:
    """What no format compresses."""
    target = io.BytesIO()
    grey = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(grey).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize("path", SCANS, ids=lambda path: path.stem)
def test_the_preview_of_a_scan_takes_at_most_15_kb(path: Path) -> None:
    made = shrink(path.read_bytes(), PREVIEW)
    assert len(made) <= 15_000
    small, full = Image.open(io.BytesIO(made)), Image.open(path)
    assert small.size == full.size, "512 pixels fit into it as they are"
    far = np.abs(np.asarray(small, float) - np.asarray(full.convert(small.mode), float)).mean()
    assert far < 3, "it looks like the scan"


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize(
    "draw",
    [
        partial(picture, 3000, 2400, "JPEG", quality=95),
        partial(picture, 200, 2000),
        partial(picture, 900, 700, mode="RGB"),
        cache(partial(noise, 2000, 1000)),
    ],
    ids=["large", "long", "coloured", "noise"],
)
def test_whatever_is_uploaded_becomes_small_and_keeps_its_proportions(
    draw: Callable[[], bytes], size: Size
) -> None:
    taken = take_in(draw(), limit=10_000_000)
    made = shrink(taken.content, size)
    small = Image.open(io.BytesIO(made))
    assert len(made) <= size.bytes and max(small.size) <= size.side and small.format == "JPEG"
    assert small.width / small.height == pytest.approx(taken.width / taken.height, rel=0.2)


def test_the_preview_is_there_before_anybody_asks(clinic: Clinic) -> None:
    scan = clinic.scan(image=picture(1200, 1000))
    assert storage().read(previews.beside(scan.file_key, PREVIEW)).startswith(b"\xff\xd8")


def test_the_page_is_given_the_preview_and_the_whole_picture_on_demand(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(image=picture(1200, 1000))
    address = f"/scans/{scan.id}/image"
    whole, preview = doctor.get(address), doctor.get(f"{address}?size=preview")
    assert Image.open(io.BytesIO(whole.data)).size == (1200, 1000)
    assert Image.open(io.BytesIO(preview.data)).size == (512, 427)
    assert len(preview.data) <= 15_000 and preview.mimetype == "image/jpeg"
    assert len(doctor.get(f"{address}?size=thumbnail").data) <= THUMBNAIL.bytes
    for answer in (whole, preview):
        assert answer.headers["Cache-Control"] == "no-store", "nothing of a patient stays in a browser"
        assert (
            answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_scan_from_before_there_were_previews_gets_one_at_its_first_look(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(image=picture(800, 600))
    key, address = previews.beside(scan.file_key, PREVIEW), f"/scans/{scan.id}/image?size=preview"
    storage().delete(key)
    made = doctor.get(address)
    assert made.status_code == 200
    assert storage().read(key) == made.data == doctor.get(address).data


def test_a_preview_is_no_way_round_the_permission(clinic: Clinic) -> None:
    owner, stranger = clinic.person("patient"), clinic.visitor(clinic.person("patient"))
    scan = clinic.scan(patient=owner)
    for size in SIZES:
        assert clinic.visitor(owner).get(f"/scans/{scan.id}/image?size={size}").status_code == 200
        assert stranger.get(f"/scans/{scan.id}/image?size={size}").status_code == 404
        foreign = {"Sec-Fetch-Site": "cross-site"}
        answer = clinic.visitor(owner).get(f"/scans/{scan.id}/image?size={size}", headers=foreign)
        assert answer.status_code == 403


def test_an_unknown_size_is_not_found(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan()
    for size in ("", "huge", "../../secret"):
        assert doctor.get(f"/scans/{scan.id}/image", query_string={"size": size}).status_code == 404


def test_a_full_disk_does_not_refuse_an_upload(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the preview is missing then; whoever looks first makes it."""

    keep = FolderStorage.keep

    def full(self: FolderStorage, key: str, content: bytes) -> None:
        if key.startswith("previews/"):
            raise OSError(28, "No space left on device")
        keep(self, key, content)

    monkeypatch.setattr(FolderStorage, "keep", full)
    scan = clinic.scan()
    assert "could not be stored at intake" in caplog.text
    assert db.session.get(Scan, scan.id) is not None
