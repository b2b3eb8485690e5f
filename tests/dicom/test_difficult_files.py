"""Real difficult files: each is shown as DCMTK shows it, or refused with a sentence that says what to do.

The files are those of pydicom's tests and of pydicom-data. DCMTK 3.6.7 cannot open JPEG 2000: its reference is then the same
picture, uncompressed, where there is one. DCMTK cuts fractions off where we round, hence the difference of one level.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from csss.dicom import reading
from csss.dicom.problems import Problem
from csss.dicom.reading import RefusedDicom
from tests.dicom.files import dcmtk_picture, path_of, sample

pytestmark = pytest.mark.usefixtures("forked")
WINDOW, TABLE, RANGE = ("+Wi", "1"), ("+Wl", "1"), ("+Wm",)
DAMAGED = "The file is damaged: what it says of itself does not fit together. Export it again, and send the new one."
CUT_OFF = "The file is cut off: its end is missing. Copy or export it again, and send the new one."
NOT_DICOM = "This is no DICOM file, whatever its name says. Export the picture again, or send a JPEG or PNG."
NO_PICTURE = (
    "This DICOM file holds no picture. Send the pictures of the study; reports and plans are not taken."
)


@dataclass(frozen=True)
class Shown:
    """A file, how DCMTK is told to show it, and by how many levels the pictures may differ."""

    name: str
    options: tuple[str, ...] = ()
    reference: str = ""  # another file, where DCMTK cannot open this one
    frame: int = 0
    most: int = 1  # the largest difference of any pixel


SHOWN = [
    # Grey: 15 bits MONOCHROME1, signed with rescale and padding, tables, windows
    Shown("RG1_UNCR.dcm", WINDOW),
    Shown("RG1_J2KR.dcm", WINDOW, reference="RG1_UNCR.dcm"),
    Shown("RG1_J2KI.dcm", WINDOW, reference="RG1_UNCI.dcm", most=2),
    Shown("RG3_UNCR.dcm", WINDOW),
    Shown("RG3_J2KR.dcm", WINDOW, reference="RG3_UNCR.dcm"),
    Shown("693_UNCI.dcm", WINDOW),
    Shown("693_UNCR.dcm", WINDOW),
    Shown("693_J2KR.dcm", WINDOW, reference="693_UNCR.dcm"),
    Shown("693_J2KI.dcm", WINDOW, reference="693_UNCI.dcm", most=4),
    Shown("CT_small.dcm", RANGE),
    Shown("mlut_18.dcm", RANGE),
    Shown("vlut_04.dcm", TABLE),
    Shown("MR-SIEMENS-DICOM-WithOverlays.dcm", WINDOW),
    Shown("examples_overlay.dcm", WINDOW),
    Shown("MR2_UNCR.dcm", WINDOW),
    Shown("MR2_J2KR.dcm", WINDOW, reference="MR2_UNCR.dcm"),
    Shown("bad_sequence.dcm", WINDOW),
    # Codings
    Shown("JPGLosslessP14SV1_1s_1f_8b.dcm", WINDOW),
    Shown("JPEG-LL.dcm", RANGE),
    Shown("JPEG-lossy.dcm", RANGE),
    Shown("JPGExtended.dcm", RANGE),
    Shown("JPEGLSNearLossless_08.dcm", RANGE),
    Shown("JPEGLSNearLossless_16.dcm", RANGE),
    Shown("MR_small_jpeg_ls_lossless.dcm", WINDOW),
    Shown("MR_small_jp2klossless.dcm", WINDOW, reference="MR_small.dcm"),
    Shown("MR_small_RLE.dcm", WINDOW),
    Shown("MR_small_bigendian.dcm", WINDOW),
    Shown("MR_small_implicit.dcm", WINDOW),
    Shown("MR_small_padded.dcm", WINDOW),
    Shown("image_dfl.dcm", RANGE),
    Shown("OT-PAL-8-face.dcm"),
    Shown("liver.dcm", RANGE, frame=2),
    Shown("liver_expb.dcm", RANGE, frame=1),
    # Frames
    Shown("emri_small_RLE.dcm", RANGE, frame=9),
    Shown("emri_small_big_endian.dcm", RANGE, frame=4),
    Shown("emri_small_jpeg_ls_lossless.dcm", RANGE, frame=7),
    Shown("emri_small_jpeg_2k_lossless.dcm", RANGE, reference="emri_small.dcm", frame=3),
    Shown("color3d_jpeg_baseline.dcm", frame=119),
    Shown("examples_ybr_color.dcm", frame=29),
    # Colours
    *(
        Shown(name)
        for name in (
            "ExplVR_BigEnd.dcm", "SC_jpeg_no_color_transform.dcm", "SC_rgb_dcmtk_+eb+cr.dcm",
            "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_dcmtk_+eb+cy+n2.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
            "SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_jls_lossy_line.dcm",
            "SC_rgb_jls_lossy_sample.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm",
            "SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_ybr_full_422_uncompressed.dcm",
            "examples_palette.dcm", "OBXXXX1A_expb.dcm", "color-pl.dcm", "color-px.dcm",
        )
    ),
    Shown("SC_rgb_rle_16bit_2frame.dcm", frame=1),
    Shown("SC_rgb_expb_16bit_2frame.dcm", frame=1),
    Shown("OBXXXX1A_rle_2frame.dcm", frame=1),
    Shown("SC_ybr_full_uncompressed.dcm", most=2),
    Shown("US1_J2KR.dcm", reference="US1_UNCR.dcm"),
    Shown("US1_J2KI.dcm", reference="US1_UNCI.dcm", most=3),
]  # fmt: skip

REFUSED = {
    "MR_truncated.dcm": CUT_OFF,
    "rtplan_truncated.dcm": CUT_OFF,
    "emri_small_jpeg_2k_lossless_too_short.dcm": CUT_OFF,
    "no_meta.dcm": NOT_DICOM,  # a byte stands before its first element; DCMTK reads nothing of it either
    "badVR.dcm": DAMAGED,
    "nested_priv_SQ.dcm": DAMAGED,
    "meta_missing_tsyntax.dcm": DAMAGED,
    "rtstruct.dcm": NO_PICTURE,
    "test-SR.dcm": NO_PICTURE,
    "waveform_ecg.dcm": NO_PICTURE,
    "rtdose.dcm": "The picture has values of 32 bits, as dose plans and maps have; pictures have 8 to 16. Send the pictures "
    "of the study itself.",
    "SC_rgb_32bit.dcm": "The picture has values of 32 bits, as dose plans and maps have; pictures have 8 to 16. Send the "
    "pictures of the study itself.",
    "JPEG2000-embedded-sequence-delimiter.dcm": "The file says that its picture has 256 × 1024 pixels, but 3722445056 × "
    "1024 are inside. Export it again.",
}


def shown(name: str, **how: object) -> NDArray[np.uint8]:
    picture = reading.picture_of(sample(name), square=False, **how)  # type: ignore[arg-type]
    return np.asarray(Image.open(io.BytesIO(picture.content)))


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: f"{case.name}-{case.frame}")
def test_a_file_is_shown_as_dcmtk_shows_it(case: Shown, tmp_path: Path) -> None:
    ours = shown(case.name, frame=case.frame, everything=case.options == RANGE)
    options = ("-O", "+F", str(case.frame + 1), *case.options)
    theirs = dcmtk_picture(path_of(case.reference or case.name), tmp_path, *options)
    assert ours.shape == theirs.shape
    assert int(np.abs(ours.astype(int) - theirs).max()) <= case.most


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_a_readable_picture_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(RefusedDicom) as refusal:
        reading.picture_of(sample(name))
    assert str(refusal.value) == REFUSED[name]


def test_lossless_jpeg_2000_gives_the_stored_values_bit_for_bit() -> None:
    packed = reading.stored_values(sample("RG1_J2KR.dcm")).values
    plain = reading.stored_values(sample("RG1_UNCR.dcm")).values
    assert packed.shape == (1955, 1841) and packed.dtype == np.uint16
    assert np.array_equal(packed, plain)


def test_the_header_decides_the_sign_where_the_codestream_claims_another() -> None:
    values = reading.stored_values(sample("J2K_pixelrep_mismatch.dcm")).values
    assert values.dtype == np.int16
    assert int(values[0, 0]) == -2000 and int(values.max()) < 4096


def test_signed_values_with_rescale_come_as_they_are_stored() -> None:
    facts = reading.facts_of(sample("693_UNCI.dcm")).picture
    values = reading.stored_values(sample("693_UNCI.dcm")).values
    assert facts is not None and facts.signed and facts.bits_stored == 14
    assert facts.padding and values.dtype == np.int16
    assert int(values.min()) < 0


def test_overlays_are_named_and_drawn_only_when_asked_for(tmp_path: Path) -> None:
    name = "MR-SIEMENS-DICOM-WithOverlays.dcm"
    facts = reading.facts_of(sample(name)).picture
    assert facts is not None and [each.group for each in facts.overlays] == [0x6000]
    plain, drawn = shown(name), shown(name, overlays=True)
    added = (plain != drawn) & (drawn == 255)
    assert added.any() and np.array_equal(plain[~added], drawn[~added])
    theirs = dcmtk_picture(path_of(name), tmp_path, "+Wi", "1", "+O", "0", "+Omr")
    assert (drawn[theirs == 255] == 255).mean() > 0.99


def test_several_windows_are_offered_in_the_order_of_the_file() -> None:
    facts = reading.facts_of(sample("MR-SIEMENS-DICOM-WithOverlays.dcm")).picture
    assert facts is not None and len(facts.windows) == 2
    first, second = facts.windows
    assert first.explanation and (first.centre, first.width) != (second.centre, second.width)


def test_tables_of_the_file_are_said() -> None:
    modality, voi = (reading.facts_of(sample(name)).picture for name in ("mlut_18.dcm", "vlut_04.dcm"))
    assert modality is not None and modality.modality_lut and not modality.voi_luts
    assert voi is not None and voi.voi_luts >= 1 and not voi.modality_lut


def test_a_frame_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RefusedDicom) as refusal:
        reading.picture_of(sample("emri_small.dcm"), frame=10)
    assert refusal.value.problem is Problem.NO_SUCH_FRAME
    assert str(refusal.value) == "There is no frame 11; the file has 10."


def test_there_are_enough_files_and_no_two_alike() -> None:
    assert len({(case.name, case.frame) for case in SHOWN}) == len(SHOWN) >= 60
