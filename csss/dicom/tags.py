"""Read the tags that matter to people into `csss.dicom.facts`."""

from datetime import date

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from csss.dicom.facts import DicomName, ExposureTags, NameParts, ObjectTags, PatientTags, StudyTags
from csss.dicom.headers import (
    UNREADABLE_VALUE,
    first_item,
    integer_of,
    items_of,
    macro_of_frame,
    number_of,
    numbers_of,
    plain,
    text_of,
    texts_of,
    value_of,
)

_DIGITS = set("0123456789")


def name_of(data: Dataset, keyword: str) -> DicomName:
    """A person's name (PS3.5 section 6.2.1), decoded by the file's character sets."""
    found = value_of(data, keyword)
    if not isinstance(found, PersonName):
        return DicomName(NameParts(family=text_of(data, keyword))) if found is not None else DicomName()
    try:
        groups = [str(each) for each in found.components]
    except UNREADABLE_VALUE:
        return DicomName()
    parts = [_parts(each) for each in groups[:3]]
    return DicomName(*parts)


def _parts(group: str) -> NameParts:
    return NameParts(*(plain(each) for each in group.split("^")[:5]))


def uid_of(data: Dataset, keyword: str) -> str:
    """A UID, empty if it is none: at most 64 characters, digits and dots (PS3.5 section 9.1)."""
    text = text_of(data, keyword)
    numbers = text.split(".")
    sound = all(each and set(each) <= _DIGITS and (each == "0" or each[0] != "0") for each in numbers)
    return text if sound and len(numbers) > 1 and len(text) <= 64 and numbers[0] in {"0", "1", "2"} else ""


def date_of(data: Dataset, keyword: str) -> date | None:
    """A date of the calendar; the form YYYY.MM.DD of old files is read, too."""
    digits = text_of(data, keyword)[:10].replace(".", "").replace("-", "")
    if len(digits) < 8 or not digits[:8].isascii() or not digits[:8].isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def time_of(data: Dataset, keyword: str) -> str:
    """A time as HH:MM:SS; seconds are zero if the file leaves them out."""
    digits = text_of(data, keyword).replace(":", "").partition(".")[0]
    if len(digits) not in {2, 4, 6} or not digits.isascii() or not digits.isdigit():
        return ""
    hours, minutes, seconds = (int(digits.ljust(6, "0")[at : at + 2]) for at in (0, 2, 4))
    return f"{hours:02}:{minutes:02}:{seconds:02}" if hours < 24 and minutes < 60 and seconds < 61 else ""


def patient_tags(data: Dataset) -> PatientTags:
    sex = text_of(data, "PatientSex").upper()[:1]
    others = [text_of(each, "PatientID") for each in items_of(data, "OtherPatientIDsSequence")[:16]]
    return PatientTags(
        name=name_of(data, "PatientName"),
        patient_id=text_of(data, "PatientID"),
        issuer=text_of(data, "IssuerOfPatientID"),
        birth_date=date_of(data, "PatientBirthDate"),
        sex=sex if sex in {"M", "F", "O"} else "",
        age=text_of(data, "PatientAge")[:8],
        other_ids=tuple(each for each in others if each),
    )


def study_tags(data: Dataset) -> StudyTags:
    return StudyTags(
        study_uid=uid_of(data, "StudyInstanceUID"),
        series_uid=uid_of(data, "SeriesInstanceUID"),
        accession_number=text_of(data, "AccessionNumber"),
        study_id=text_of(data, "StudyID"),
        study_date=date_of(data, "StudyDate"),
        study_time=time_of(data, "StudyTime"),
        study_description=text_of(data, "StudyDescription"),
        referring_physician=name_of(data, "ReferringPhysicianName"),
        institution=text_of(data, "InstitutionName"),
        series_number=integer_of(data, "SeriesNumber"),
        series_description=text_of(data, "SeriesDescription"),
        protocol=text_of(data, "ProtocolName"),
    )


def object_tags(data: Dataset) -> ObjectTags:
    burned = text_of(data, "BurnedInAnnotation").upper()
    return ObjectTags(
        sop_class_uid=uid_of(data, "SOPClassUID"),
        sop_instance_uid=uid_of(data, "SOPInstanceUID"),
        instance_number=integer_of(data, "InstanceNumber"),
        modality=text_of(data, "Modality").upper()[:16],
        manufacturer=text_of(data, "Manufacturer"),
        model=text_of(data, "ManufacturerModelName"),
        station=text_of(data, "StationName"),
        body_part=body_part_of(data),
        view_position=view_position_of(data),
        laterality=laterality_of(data),
        patient_orientation=texts_of(data, "PatientOrientation")[:2],
        image_type=texts_of(data, "ImageType"),
        content_date=date_of(data, "AcquisitionDate") or date_of(data, "ContentDate"),
        content_time=time_of(data, "AcquisitionTime") or time_of(data, "ContentTime"),
        slice_position=slice_position_of(data),
        burned_in=burned if burned in {"YES", "NO"} else "",
        character_set=texts_of(data, "SpecificCharacterSet"),
        exposure=_exposure(data),
    )


def body_part_of(data: Dataset) -> str:
    """Body Part Examined, else the meaning of the code of the anatomic region."""
    said = text_of(data, "BodyPartExamined")
    if said:
        return said.upper()
    macro = macro_of_frame(data, 0, "FrameAnatomySequence") or data
    region = first_item(macro, "AnatomicRegionSequence")
    return text_of(region, "CodeMeaning").upper() if region is not None else ""


def view_position_of(data: Dataset) -> str:
    """View Position, else the meaning of the view's code. Some writers use Patient Position for it."""
    said = text_of(data, "ViewPosition").upper()
    if not said and (code := first_item(data, "ViewCodeSequence")) is not None:
        said = text_of(code, "CodeMeaning").upper()
    misplaced = text_of(data, "PatientPosition").upper()
    return said or (misplaced if misplaced in {"PA", "AP", "LL", "RL", "LAT"} else "")


def laterality_of(data: Dataset) -> str:
    """Of the picture, else of the body part, else of the series."""
    found = text_of(data, "ImageLaterality") or text_of(data, "Laterality")
    if not found and (anatomy := macro_of_frame(data, 0, "FrameAnatomySequence")) is not None:
        found = text_of(anatomy, "FrameLaterality")
    found = found.upper()[:1]
    return found if found in {"L", "R", "B", "U"} else ""


def slice_position_of(data: Dataset, frame: int = 0) -> float | None:
    """Where a slice is along its stack: the position projected on the normal of the plane (PS3.3 C.7.6.2)."""
    plane = macro_of_frame(data, frame, "PlaneOrientationSequence") or data
    place = macro_of_frame(data, frame, "PlanePositionSequence") or data
    axes, position = numbers_of(plane, "ImageOrientationPatient"), numbers_of(place, "ImagePositionPatient")
    if len(axes) != 6 or len(position) != 3:
        return number_of(data, "SliceLocation")
    return float(np.dot(np.cross(axes[:3], axes[3:]), position))


def _exposure(data: Dataset) -> ExposureTags:
    tube_microamperes = number_of(data, "XRayTubeCurrentInuA")
    micro = number_of(data, "ExposureInuAs")
    current, charge = number_of(data, "XRayTubeCurrent"), number_of(data, "Exposure")
    return ExposureTags(
        kilovolts=number_of(data, "KVP"),
        milliampere_seconds=micro / 1000 if micro is not None else charge,
        milliamperes=tube_microamperes / 1000 if tube_microamperes is not None else current,
        milliseconds=number_of(data, "ExposureTime"),
        exposure_index=number_of(data, "ExposureIndex"),
        deviation_index=number_of(data, "DeviationIndex"),
        dose_area_product=number_of(data, "ImageAndFluoroscopyAreaDoseProduct"),
    )
