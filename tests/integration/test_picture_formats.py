"""What stands in the table of formats is offered by the page, taken in, and kept under its own suffix."""

import io

import pytest

from csss.picture_formats import HEIC, PICTURE_FORMATS, STORED_FORMATS, PictureFormat, format_of
from csss.scans.decoder import CODECS
from csss.storage.files import storage
from tests.factories import Clinic, picture
from tests.odd_files import heic
from tests.visitor import Visitor


def test_the_page_offers_exactly_these(patient: Visitor) -> None:
    field = patient.page("/patient/").select_one("input[type=file]")
    assert field is not None
    types = [each.media_type for each in PICTURE_FORMATS]
    assert str(field["accept"]).split(",") == [*types, ".heic", ".heif"]
    words = patient.page("/patient/").select_one("#file-hint").get_text()
    assert all(name in words for name in ("JPEG", "PNG", "HEIC"))


@pytest.mark.parametrize("kind", STORED_FORMATS, ids=lambda kind: kind.name)
def test_each_is_taken_in_kept_and_served_as_what_it_is(
    clinic: Clinic, patient: Visitor, kind: PictureFormat
) -> None:
    sent = {"kind": "chest_xray", "indication": "Cough"}
    content = picture(80, 80, kind.name)
    assert content.startswith(kind.first_bytes)
    answer = patient.post("/patient/scans", {**sent, "file": (io.BytesIO(content), "scan.txt")})
    assert answer.status_code == 303
    (key,) = storage().stored("scans")
    assert key.endswith(f".{kind.suffix}") and storage().read(key).startswith(kind.first_bytes)
    scan_id = answer.headers["Location"].rpartition("/")[2]
    served = patient.get(f"/scans/{scan_id}/image")
    assert served.mimetype == kind.media_type
    assert served.headers["Content-Disposition"].endswith(f'.{kind.suffix}"')


def test_each_has_a_module_that_opens_it_and_no_two_are_mistaken() -> None:
    assert set(CODECS) == set(PICTURE_FORMATS)
    for column in ("name", "suffix", "media_type", "first_bytes", "codec"):
        assert len({getattr(each, column) for each in PICTURE_FORMATS}) == len(PICTURE_FORMATS), column
    samples = {each: picture(80, 80, each.name) for each in STORED_FORMATS} | {HEIC: heic()}
    assert {each: format_of(content) for each, content in samples.items()} == {each: each for each in samples}
    for content in samples.values():
        assert sum(each.begins(content) for each in PICTURE_FORMATS) == 1
