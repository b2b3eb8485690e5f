"""What a DICOM file says, as plain values: texts, numbers, dates. Both sides of the sandbox know these classes.

Everything here is what the file claims. A text may hold anything, markup and path characters too: templates escape it,
and no path or address is made of it. This module imports nothing heavy, because the web process loads it.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True)
class NameParts:
    """The five components of one group of a person's name (PS3.5 section 6.2.1)."""

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        """As one writes a name: prefix, given, middle, family, suffix."""
        parts = (self.prefix, self.given, self.middle, self.family, self.suffix)
        return " ".join(each for each in parts if each)


@dataclass(frozen=True)
class DicomName:
    """A person's name in up to three writings: in letters, in ideographs, and as it sounds."""

    alphabetic: NameParts = NameParts()
    ideographic: NameParts = NameParts()
    phonetic: NameParts = NameParts()

    def __str__(self) -> str:
        return str(self.alphabetic) or str(self.ideographic) or str(self.phonetic)


@dataclass(frozen=True)
class PatientTags:
    """The patient as the modality wrote it (PS3.3 C.7.1.1). Never enough by itself to find a record."""

    name: DicomName
    patient_id: str
    issuer: str  # of the patient id
    birth_date: date | None
    sex: str  # M, F, O, or empty
    age: str  # at the time of the study, such as 045Y
    other_ids: tuple[str, ...]


@dataclass(frozen=True)
class StudyTags:
    """The study and the series (PS3.3 C.7.2.1, C.7.3.1)."""

    study_uid: str  # empty where the file's is no valid UID
    series_uid: str
    accession_number: str
    study_id: str
    study_date: date | None
    study_time: str  # HH:MM:SS, or empty
    study_description: str
    referring_physician: DicomName
    institution: str
    series_number: int | None
    series_description: str
    protocol: str


@dataclass(frozen=True)
class ExposureTags:
    """How the picture was exposed (PS3.3 C.8.7.2, C.8.11.3)."""

    kilovolts: float | None = None
    milliampere_seconds: float | None = None
    milliamperes: float | None = None
    milliseconds: float | None = None
    exposure_index: float | None = None  # IEC 62494-1
    deviation_index: float | None = None
    dose_area_product: float | None = None  # dGy·cm²


@dataclass(frozen=True)
class ObjectTags:
    """One object and its picture (PS3.3 C.12.1, C.7.6)."""

    sop_class_uid: str
    sop_instance_uid: str
    instance_number: int | None
    modality: str
    manufacturer: str
    model: str
    station: str
    body_part: str
    view_position: str
    laterality: str  # L, R, B, U, or empty
    patient_orientation: tuple[str, ...]  # of a row and of a column
    image_type: tuple[str, ...]
    content_date: date | None
    content_time: str
    slice_position: float | None  # millimetres along the stack, where the geometry tells
    burned_in: str  # YES, NO, or empty: whether names may be in the pixels
    character_set: tuple[str, ...]
    exposure: ExposureTags


class SpacingBasis(StrEnum):
    """What a spacing in millimetres is based on."""

    PATIENT = "patient"  # measured in the patient
    CALIBRATED = "calibrated"  # by a calibration of the file
    CORRECTED = "corrected"  # at the detector, divided by the magnification
    DETECTOR = "detector"  # at the detector, uncorrected: lengths appear larger than they are
    FILM = "film"  # on the scanned film
    UNSAID = "unsaid"  # a projection that does not say at what distance


@dataclass(frozen=True)
class MillimetresPerPixel:
    """Size of a pixel. `between_rows` is the vertical distance of pixel centres, `between_columns` the horizontal one."""

    between_rows: float
    between_columns: float
    basis: SpacingBasis
    magnification: float | None = None  # what the spacing was divided by


class WindowSource(StrEnum):
    """Who chose a window."""

    FILE = "file"
    VALUES = "values"  # nobody did: it follows from the values of the frame


class Curve(StrEnum):
    """The function of a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True)
class GreyWindow:
    """A window over modality values, such as Hounsfield units (PS3.3 C.11.2.1.2)."""

    centre: float
    width: float
    explanation: str = ""  # the modality's own word for it, such as LUNG
    curve: Curve = Curve.LINEAR
    source: WindowSource = WindowSource.FILE


@dataclass(frozen=True)
class Overlay:
    """One overlay plane, as its group says (PS3.3 C.9.2)."""

    group: int  # 0x6000 to 0x601E
    kind: str  # G: graphics; R: region of interest
    rows: int
    columns: int
    row: int  # of its upper left pixel, from 1; may be negative
    column: int
    label: str
    embedded: bool  # in the bits of the pixels


class ViewKind(StrEnum):
    """What a picture shows, as far as it decides whether the classifier may read it."""

    FRONTAL_CHEST = "frontal-chest"
    LATERAL_CHEST = "lateral-chest"
    CARDIAC_SHORT_AXIS = "cardiac-short-axis"
    OTHER = "other"


class ViewReason(StrEnum):
    """Why a picture is of its kind."""

    TAGS = "tags"  # the tags say so
    VIEW_UNSAID = "view-unsaid"  # a chest, from a side that the file does not name
    OBLIQUE = "oblique"  # a chest, from another side
    BODY_PART = "body-part"  # another part of the body, or none is named
    MODALITY = "modality"
    CARDIAC_PLANE = "cardiac-plane"  # a heart in another plane, or none is named
    LOCALIZER = "localizer"
    NO_PICTURE = "no-picture"


@dataclass(frozen=True)
class KindOfView:
    """The kind and its reason; `said` is the word of the file that decided."""

    kind: ViewKind
    reason: ViewReason
    said: str = ""


@dataclass(frozen=True)
class PictureFacts:
    """The pixels, as the header says and the limits allow."""

    rows: int
    columns: int
    frames: int
    colour: bool
    bits_stored: int
    signed: bool
    photometric: str
    transfer_syntax: str
    lossy: bool  # compressed with loss, now or ever
    spacing: MillimetresPerPixel | None
    aspect: float  # height of a pixel divided by its width
    slope: float  # modality value = slope × stored value + intercept, unless there is a modality LUT
    intercept: float
    unit: str  # HU, or what the file says
    modality_lut: bool
    voi_luts: int
    windows: tuple[GreyWindow, ...]
    padding: tuple[int, ...]  # empty, or the first and last stored value that is no picture
    inverted: bool  # MONOCHROME1
    overlays: tuple[Overlay, ...]
    frame_milliseconds: float | None  # between frames of a cine loop


@dataclass(frozen=True)
class DicomFacts:
    """One file. `picture` is None for objects without one (a report, a DICOMDIR): `refused` says why, if not that."""

    patient: PatientTags
    study: StudyTags
    object: ObjectTags
    view: KindOfView
    picture: PictureFacts | None
    refused: str  # a Problem, where the picture is refused and the tags can be read
    refused_facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]  # on the file's form, for logs: "no preamble" and the like


@dataclass(frozen=True)
class DeidentifiedFacts:
    """What de-identifying did, and what is left to ask."""

    study_uid: str  # the new ones
    series_uid: str
    sop_instance_uid: str
    removed: int  # attributes
    replaced: int
    private: int
    days_back: int  # 0: dates were removed
    burned_in: str  # YES, NO, or empty, as the file says
    look_at_pixels: bool  # somebody has to see that no name is in the picture
    emptied: tuple[str, ...]  # attributes beyond the table that held a word of the patient's
