"""A photograph of a telephone (HEIC) is a scan like any other: converted, upright, and without what else is in its file."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from PIL import Image

from csss.errors import Invalid
from csss.scans.intake import take_in
from csss.storage.files import storage
from tests.corpus import LIMIT
from tests.factories import Clinic, picture
from tests.odd_files import MARK, heic
from tests.odd_files import picture as colours
from tests.visitor import Visitor


def test_it_becomes_a_jpeg_that_every_browser_shows(patient: Visitor, clinic: Clinic) -> None:
    sent = {"kind": "chest_xray", "indication": "Cough", "file": (io.BytesIO(heic()), "IMG_0001.HEIC")}
    answer = patient.post("/patient/scans", sent)
    assert answer.status_code == 303
    scan_id = answer.headers["Location"].rpartition("/")[2]
    doctor = clinic.visitor(clinic.person("doctor"))
    served = doctor.get(f"/scans/{scan_id}/image")
    assert served.mimetype == "image/jpeg" and served.data.startswith(b"\xff\xd8\xff")
    assert served.headers["Content-Disposition"].endswith('.jpg"')
    (key,) = storage().stored("scans")
    assert key.endswith(".jpg")


def test_its_pixels_are_those_of_the_photograph() -> None:
    taken = take_in(heic(), limit=LIMIT)
    was = np.asarray(Image.open(io.BytesIO(picture()))).astype(int)
    found = np.asarray(Image.open(io.BytesIO(taken.content))).astype(int)
    assert found.shape == was.shape and np.abs(found - was).mean() < 2
    assert taken.small, "with its preview and thumbnail"


def test_one_taken_sideways_stands_upright_and_names_nobody() -> None:
    assert MARK in heic("turned")
    taken = take_in(heic("turned"), limit=LIMIT)
    found = Image.open(io.BytesIO(taken.content))
    assert MARK not in taken.content and not found.getexif()
    upright = np.asarray(colours().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.asarray(found).shape == upright.shape
    assert np.abs(np.asarray(found).astype(int) - upright).mean() < 6


@trying(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(
    wounds=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    end=st.floats(0, 1),
)
def test_damage_ends_at_most_the_child(wounds: list[tuple[float, int]], end: float) -> None:
    """Some of these crash the decoder of libheif 1.23: taken, or refused with a sentence, and the next one is served."""
    content = bytearray(heic())
    for place, value in wounds:
        content[int(place * len(content))] = value
    if end < 0.3:
        del content[int(len(content) * 3 * end) :]
    try:
        assert take_in(bytes(content), limit=LIMIT).content.startswith(b"\xff\xd8\xff")
    except Invalid as refused:
        assert list(refused.errors) == ["file"]


def test_several_at_once_are_each_taken() -> None:
    with ThreadPoolExecutor(3) as threads:
        assert len(list(threads.map(lambda _: take_in(heic(), limit=LIMIT), range(3)))) == 3


def test_a_broken_one_is_refused_with_what_to_do() -> None:
    try:
        take_in(heic()[:2000], limit=LIMIT)
    except Invalid as refused:
        assert "save it again" in refused.errors["file"]
    else:
        raise AssertionError("half a photograph was taken")
