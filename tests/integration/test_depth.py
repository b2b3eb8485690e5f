"""Pictures of sixteen bits: what is shown has nearly all the greys it can have, and what was sent is kept beside it."""

import hashlib
import io
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from flask import Flask
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select

from csss.database import db
from csss.jobs import orphans
from csss.reports import named_files
from csss.scans.intake import take_in
from csss.scans.models import Scan
from csss.storage.files import storage
from tests.corpus import DAMAGED
from tests.factories import picture
from tests.integration.test_corpus import files, rows, send
from tests.odd_files import MARK, chunk, header, saved
from tests.visitor import Visitor, soup

LIMIT = 10_000_000


def png(values: np.ndarray) -> bytes:
    """Sixteen bits of each value; in colour as red, green, blue (and alpha)."""
    if values.ndim == 3:
        order = [2, 1, 0, 3][: values.shape[2]]
        values = values[:, :, order]
    return bytes(cv2.imencode(".png", np.ascontiguousarray(values.astype(np.uint16)))[1])


def grey_with_alpha(values: np.ndarray, alpha: np.ndarray) -> bytes:
    """OpenCV writes no grey with alpha."""
    lines = np.stack([values, alpha], axis=-1).astype(">u2")
    body = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    height, width = values.shape
    return header(width, height, 16, 4) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def twelve_bits(width: int = 300, height: int = 240) -> np.ndarray:
    """A scan of 12 bits as from a machine: soft shapes of 200 to 3,900."""
    y, x = np.mgrid[0:height, 0:width]
    return np.rint(2050 + 1850 * np.sin(x / 31) * np.cos(y / 23)).astype(np.uint16)


def with_marker() -> np.ndarray:
    values = twelve_bits()
    values[10:30, 10:24] = 65535
    return values


def with_soft_marker() -> np.ndarray:
    values = with_marker()
    values[9, 10:24] = 30000
    return values


FULL = np.full((240, 300), 65535, np.uint16)
SENT: dict[str, bytes] = {
    "grey": png(twelve_bits()),
    "colour": png(np.stack([twelve_bits()] * 3, axis=-1)),
    "grey with alpha": grey_with_alpha(twelve_bits(), FULL),
    "colour with alpha": png(np.stack([*[twelve_bits()] * 3, FULL], axis=-1)),
    "grey with a marker": png(with_marker()),
    "grey with a soft marker": png(with_soft_marker()),
    "colour with a marker": png(np.stack([with_marker()] * 3, axis=-1)),
}


def shown(content: bytes) -> np.ndarray:
    found = np.asarray(Image.open(io.BytesIO(content)))
    return found if found.ndim == 2 else found[:, :, 0]


@pytest.mark.parametrize("name", SENT)
def test_what_is_shown_goes_from_black_to_white_with_all_the_greys_there_can_be(name: str) -> None:
    found = shown(take_in(SENT[name], limit=LIMIT).content)
    inside = found[40:, 40:]  # no marker there
    assert len(np.unique(inside)) > 240
    assert inside.min() < 8 and inside.max() > 247
    order = np.argsort(twelve_bits()[40:, 40:], axis=None)
    assert (np.diff(inside.ravel()[order].astype(int)) >= 0).all(), "darker stays darker"


def test_all_sorts_of_one_picture_are_shown_alike() -> None:
    sorts = ["grey", "colour", "grey with alpha", "colour with alpha"]
    first, *others = (shown(take_in(SENT[name], limit=LIMIT).content) for name in sorts)
    for other in others:
        assert np.array_equal(first, other)


def test_colours_keep_what_they_are_to_each_other() -> None:
    red = np.stack([twelve_bits(), twelve_bits() // 2, np.zeros_like(twelve_bits())], axis=-1)
    found = np.asarray(Image.open(io.BytesIO(take_in(png(red), limit=LIMIT).content))).astype(int)
    assert (found[:, :, 0] >= found[:, :, 1]).all() and found[:, :, 2].max() == 0


@pytest.mark.parametrize("name", SENT)
def test_where_greys_are_lost_every_value_that_was_sent_is_kept(name: str) -> None:
    kept = take_in(SENT[name], limit=LIMIT).original
    values = [
        cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_UNCHANGED) for each in (kept, SENT[name])
    ]
    assert values[0].dtype == np.uint16 and np.array_equal(*values)


def test_what_is_kept_holds_nothing_but_values_and_how_they_stand() -> None:
    words, exif = PngInfo(), Image.Exif()
    words.add_text("Patient", MARK.decode())
    exif[0x0112], exif[0x010E] = 6, MARK.decode()
    taken = take_in(saved(Image.fromarray(twelve_bits()), pnginfo=words, exif=exif), limit=LIMIT)
    assert (taken.width, taken.height) == (240, 300)
    kept = Image.open(io.BytesIO(taken.original))
    assert (kept.size, dict(kept.getexif())) == ((300, 240), {0x0112: 6})
    assert MARK not in taken.original and b"tEXt" not in taken.original


@pytest.mark.parametrize(
    "content", [picture(), png(shown(picture()).astype(np.uint16) * 257)], ids=["8", "16"]
)
def test_where_nothing_is_lost_nothing_more_is_kept(content: bytes) -> None:
    taken = take_in(content, limit=LIMIT)
    assert taken.original == b"" and np.array_equal(shown(taken.content), shown(picture())) == (
        content == picture()
    )


def test_a_damaged_one_is_refused(patient: Visitor, app: Flask) -> None:
    content = SENT["colour"]
    answer = send(patient, (io.BytesIO(content[: len(content) // 2]), "scan.png"))
    assert answer.status_code == 422
    assert DAMAGED in soup(answer).select_one("#file-error").get_text()  # type: ignore[union-attr]
    assert rows(Scan) == 0 and files(app) == []


def test_the_sixteen_bits_are_kept_beside_the_scan_and_belong_to_it(patient: Visitor, app: Flask) -> None:
    assert send(patient, (io.BytesIO(SENT["grey"]), "scan.png")).status_code == 303
    scan = db.session.scalars(select(Scan)).one()
    assert scan.original_key is not None and scan.original_key.startswith("originals/")
    content = storage().read(scan.original_key)
    assert scan.original_sha256 == hashlib.sha256(content).hexdigest()
    named = {kept.key: kept for kept in named_files.named([scan.id])}
    assert named_files.problem(named[scan.original_key]) is None
    assert named_files.orphans() == []
    storage().replace(scan.original_key, content + b"?")
    assert "contents have changed" in str(named_files.problem(named[scan.original_key]))


def test_an_original_that_a_scan_names_is_not_swept_and_one_that_none_names_is(
    patient: Visitor, app: Flask, monkeypatch: Any
) -> None:
    send(patient, (io.BytesIO(SENT["grey"]), "scan.png"))
    key = str(db.session.scalars(select(Scan.original_key)).one())
    alone = storage().put("originals", "png", b"nobody's")
    monkeypatch.setattr(orphans, "AGE", -orphans.AGE)
    unnamed = {
        each
        for shard in range(256)
        for each in orphans.unnamed_files(storage(), f"{shard:02x}")
        if "originals" in each
    }
    assert alone in unnamed and key not in unnamed


# Transparency


def drawn(alpha: np.ndarray, grey: int = 255) -> bytes:
    image = Image.new("L", alpha.shape[::-1], grey)
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return saved(image)


def test_what_is_cut_out_lies_on_black() -> None:
    """Rounded corners, for instance: what is hidden below them does not come up."""
    alpha = np.full((240, 256), 255)
    alpha[:20, :20] = 0
    image = Image.open(io.BytesIO(picture())).convert("LA")
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    found = shown(take_in(saved(image), limit=LIMIT).content)
    assert found[:20, :20].max() == 0
    assert np.array_equal(found[20:, 20:], shown(picture())[20:, 20:])
