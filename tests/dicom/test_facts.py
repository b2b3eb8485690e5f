"""What a file says reaches people as it was meant: names in their letters, dates, millimetres, and what is seen."""

import io
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csss.dicom import reading
from csss.dicom.facts import (
    DicomFacts,
    GreyWindow,
    KindOfView,
    MillimetresPerPixel,
    NameParts,
    SpacingBasis,
    ViewKind,
    ViewReason,
    WindowSource,
)
from csss.dicom.wire import plain_of, typed
from tests.dicom import made
from tests.dicom.files import sample

pytestmark = pytest.mark.usefixtures("forked")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"

NAMES = {
    "chrArab.dcm": ("قباني", "لنزار", ""),
    "chrFren.dcm": ("Buc", "Jérôme", ""),
    "chrGerm.dcm": ("Äneas", "Rüdiger", ""),
    "chrGreek.dcm": ("Διονυσιος", "", ""),
    "chrH31.dcm": ("Yamada", "Tarou", "山田"),
    "chrH32.dcm": ("ﾔﾏﾀﾞ", "ﾀﾛｳ", "山田"),
    "chrHbrw.dcm": ("שרון", "דבורה", ""),
    "chrI2.dcm": ("Hong", "Gildong", "洪"),
    "chrRuss.dcm": ("Люкceмбypг", "", ""),
    "chrX1.dcm": ("Wang", "XiaoDong", "王"),
    "chrX2.dcm": ("Wang", "XiaoDong", "王"),
}


@pytest.mark.parametrize("file", NAMES)
def test_a_name_is_read_in_the_characters_of_its_file(file: str) -> None:
    name = reading.facts_of(sample(file)).patient.name
    assert (name.alphabetic.family, name.alphabetic.given, name.ideographic.family) == NAMES[file]


def test_a_tamil_name_with_its_joiners_comes_whole() -> None:
    name = "கிருஷ்ணன்\u200cராம்^மீரா^^Dr."
    found = reading.facts_of(made.grey(PatientName=name)).patient.name
    assert found.alphabetic == NameParts("கிருஷ்ணன்\u200cராம்", "மீரா", "", "Dr.")
    assert str(found) == "Dr. மீரா கிருஷ்ணன்\u200cராம்"


def test_the_tags_that_matter_to_people_are_there() -> None:
    facts = reading.facts_of(
        made.grey(
            StudyDate="20260301", StudyTime="1011", AccessionNumber="ACC-1", ReferringPhysicianName="Rao^Anand",
            KVP="117.5", ExposureInuAs="2100", ExposureTime="9", PatientBirthDate="19800102", ImageLaterality="l",
            IssuerOfPatientID="City", InstanceNumber="3", BurnedInAnnotation="no", PatientAge="046Y",
        )
    )  # fmt: skip
    assert facts.study.study_date == date(2026, 3, 1) and facts.study.study_time == "10:11:00"
    assert (facts.study.accession_number, str(facts.study.referring_physician)) == ("ACC-1", "Anand Rao")
    assert (facts.object.exposure.kilovolts, facts.object.exposure.milliampere_seconds) == (117.5, 2.1)
    assert (
        facts.patient.birth_date == date(1980, 1, 2)
        and facts.patient.sex == "F"
        and facts.patient.issuer == "City"
    )
    assert (facts.object.laterality, facts.object.burned_in, facts.object.instance_number) == ("L", "NO", 3)
    assert (facts.object.body_part, facts.object.view_position) == ("CHEST", "PA")


@pytest.mark.parametrize("text", ["19801301", "1980", "yesterday", "", "00000000", "1980-1-2"])
def test_what_is_no_date_is_no_date(text: str) -> None:
    assert reading.facts_of(made.grey(PatientBirthDate=text)).patient.birth_date is None


def mr(series: str, **more: Any) -> dict[str, Any]:
    return {
        "Modality": "MR",
        "BodyPartExamined": "HEART",
        "SeriesDescription": series,
        "ViewPosition": "",
        **more,
    }


VIEWS: list[tuple[dict[str, Any], ViewKind, ViewReason]] = [
    ({}, ViewKind.FRONTAL_CHEST, ViewReason.TAGS),
    ({"ViewPosition": "AP"}, ViewKind.FRONTAL_CHEST, ViewReason.TAGS),
    ({"ViewPosition": "LL"}, ViewKind.LATERAL_CHEST, ViewReason.TAGS),
    ({"ViewPosition": "RAO"}, ViewKind.OTHER, ViewReason.OBLIQUE),
    ({"ViewPosition": "", "PatientPosition": "PA"}, ViewKind.FRONTAL_CHEST, ViewReason.TAGS),
    ({"ViewPosition": "", "PatientOrientation": ["L", "F"]}, ViewKind.FRONTAL_CHEST, ViewReason.TAGS),
    ({"ViewPosition": "", "PatientOrientation": ["A", "F"]}, ViewKind.LATERAL_CHEST, ViewReason.TAGS),
    ({"ViewPosition": ""}, ViewKind.OTHER, ViewReason.VIEW_UNSAID),
    ({"ViewPosition": "", "SeriesDescription": "W Chest lat."}, ViewKind.LATERAL_CHEST, ViewReason.TAGS),
    ({"BodyPartExamined": "KNEE"}, ViewKind.OTHER, ViewReason.BODY_PART),
    ({"BodyPartExamined": "ABDOMEN", "StudyDescription": "Chest and abdomen"}, ViewKind.OTHER, ViewReason.BODY_PART),
    ({"BodyPartExamined": "", "StudyDescription": "THORAX PA"}, ViewKind.FRONTAL_CHEST, ViewReason.TAGS),
    ({"Modality": "CT"}, ViewKind.OTHER, ViewReason.MODALITY),
    (mr("cine_SAX_8"), ViewKind.CARDIAC_SHORT_AXIS, ViewReason.TAGS),
    (mr("cine 4ch"), ViewKind.OTHER, ViewReason.CARDIAC_PLANE),
    (mr("T1 map"), ViewKind.OTHER, ViewReason.CARDIAC_PLANE),
    (mr("sa", BodyPartExamined="HEAD"), ViewKind.OTHER, ViewReason.BODY_PART),
    (mr("", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), ViewKind.OTHER, ViewReason.LOCALIZER),
]  # fmt: skip


@pytest.mark.parametrize("case", VIEWS, ids=lambda case: " ".join(map(str, case[0].values())) or "PA")
def test_only_what_the_tags_say_makes_a_view(case: tuple[dict[str, Any], ViewKind, ViewReason]) -> None:
    tags, kind, reason = case
    found = reading.facts_of(made.grey(**tags)).view
    assert (found.kind, found.reason) == (kind, reason)


def test_a_view_named_by_code_counts() -> None:
    code = made.sequence_item(CodeValue="R-10236", CodingSchemeDesignator="SRT", CodeMeaning="left lateral")
    view = reading.facts_of(made.grey(ViewPosition="", ViewCodeSequence=[code])).view
    assert view == KindOfView(ViewKind.LATERAL_CHEST, ViewReason.TAGS, "LEFT LATERAL")


SPACINGS: list[tuple[dict[str, Any], MillimetresPerPixel | None]] = [
    ({"Modality": "CT", "PixelSpacing": [0.5, 0.25]}, MillimetresPerPixel(0.5, 0.25, SpacingBasis.PATIENT)),
    ({"ImagerPixelSpacing": [0.2, 0.2]}, MillimetresPerPixel(0.2, 0.2, SpacingBasis.DETECTOR)),
    (
        {"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": "1.25"},
        MillimetresPerPixel(0.16, 0.16, SpacingBasis.CORRECTED, 1.25),
    ),
    (
        {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": "1800",
         "DistanceSourceToPatient": "1500"},
        MillimetresPerPixel(0.2 / 1.2, 0.2 / 1.2, SpacingBasis.CORRECTED, 1.2),
    ),
    (
        {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.15, 0.15]},
        MillimetresPerPixel(0.15, 0.15, SpacingBasis.CALIBRATED),
    ),
    ({"PixelSpacing": [0.2, 0.2]}, MillimetresPerPixel(0.2, 0.2, SpacingBasis.UNSAID)),
    ({"NominalScannedPixelSpacing": [0.1, 0.1]}, MillimetresPerPixel(0.1, 0.1, SpacingBasis.FILM)),
    ({"PixelSpacing": [0, 0]}, None),
    ({"ImagerPixelSpacing": [0.2, 900]}, None),
    ({}, None),
]  # fmt: skip


@pytest.mark.parametrize("case", SPACINGS, ids=str)
def test_millimetres_come_with_what_they_are_based_on(
    case: tuple[dict[str, Any], MillimetresPerPixel | None],
) -> None:
    tags, expected = case
    picture = reading.facts_of(made.grey(**tags)).picture
    assert picture is not None
    if expected is None:
        assert picture.spacing is None
    else:
        found = picture.spacing
        assert found is not None and found.basis is expected.basis
        assert found.between_rows == pytest.approx(expected.between_rows)
        assert found.magnification == pytest.approx(expected.magnification)


def pixels(content: bytes, **how: Any) -> Any:
    return np.asarray(Image.open(io.BytesIO(reading.picture_of(content, **how).content)))


@pytest.mark.parametrize(("tags", "size"), [
    ({"PixelAspectRatio": [2, 1]}, (64, 40)),
    ({"PixelSpacing": [0.5, 1.0]}, (32, 80)),
    ({"PixelAspectRatio": [1, 1]}, (32, 40)),
    ({"PixelAspectRatio": [1, 0]}, (32, 40)),
])  # fmt: skip
def test_pixels_that_are_not_square_are_shown_square(tags: dict[str, Any], size: tuple[int, int]) -> None:
    assert pixels(made.grey(**tags)).shape == size
    assert pixels(made.grey(**tags), square=False).shape == (32, 40)


def test_monochrome1_is_inverted_after_its_window() -> None:
    """A window over the upper half: what is below it is white in MONOCHROME1, and black otherwise."""
    tags = {"WindowCenter": "3000", "WindowWidth": "500"}
    plain = pixels(made.grey(**tags))
    inverted = pixels(made.grey(PhotometricInterpretation="MONOCHROME1", **tags))
    assert plain[0, 0] == 0 and inverted[0, 0] == 255
    assert np.array_equal(inverted, 255 - plain)


def test_padding_is_black_and_does_not_count_for_the_window() -> None:
    values = np.full((32, 40), 1000, "<u2")
    values[8:24, 8:32] = np.linspace(900, 1100, 24).astype("<u2")
    values[:4] = 4095
    content = made.grey(pixels=values.tobytes(), PixelPaddingValue=4095)
    shown = reading.picture_of(content)
    assert shown.window is not None and shown.window.source is WindowSource.VALUES
    assert shown.window.centre + shown.window.width / 2 < 1200
    assert not pixels(content)[:4].any() and pixels(content)[8:24].max() > 200


def test_a_person_may_choose_another_window() -> None:
    chosen = GreyWindow(1000, 100)
    shown = reading.picture_of(made.grey(), window=chosen)
    assert shown.window == chosen
    levels = set(np.unique(pixels(made.grey(), window=chosen)))
    assert {0, 255} <= levels


def test_rescaled_values_are_windowed_in_their_unit() -> None:
    content = made.grey(
        RescaleSlope="2", RescaleIntercept="-1024", RescaleType="HU", WindowCenter="0", WindowWidth="2"
    )
    facts = reading.facts_of(content).picture
    assert facts is not None and (facts.slope, facts.intercept, facts.unit) == (2.0, -1024.0, "HU")
    stored, shown = reading.stored_values(content).values, pixels(content)
    assert (shown[stored < 511] == 0).all() and (shown[stored > 513] == 255).all()


def test_old_overlays_in_unused_bits_do_not_get_into_the_values() -> None:
    values = (np.arange(32 * 40, dtype="<u2").reshape(32, 40) & 0x0FFF) | 0x1000
    content = made.grey(pixels=values.astype("<u2").tobytes())
    assert reading.stored_values(content).values.max() == 32 * 40 - 1


def test_the_answer_of_the_child_is_checked_to_the_last_field() -> None:
    plain = plain_of(reading.facts_of(made.grey()))
    assert typed(DicomFacts, plain).patient.patient_id == "MRN-4711"
    for change in (
        {"view": None},
        {"patient": {}},
        {"remarks": "x"},
        {"refused": 5},
        {"remarks": [1]},
        {"more": 1},
    ):
        with pytest.raises((ValueError, TypeError)):
            typed(DicomFacts, plain | change)


def test_the_real_chest_pictures_are_frontal_and_shown() -> None:
    if not DATA.is_dir():
        pytest.skip("the pictures of ../shared/data are not here")
    for path in sorted(DATA.glob("*.dcm")):
        content = path.read_bytes()
        assert reading.facts_of(content).view.kind is ViewKind.FRONTAL_CHEST, path.name
        picture = pixels(content)
        assert 40 < picture.mean() < 210 and picture.std() > 20, path.name
