"""What all outgoing objects have in common: patient, study, equipment, identity.

Modules: PS3.3 C.7.1.1, C.7.2.1, C.7.5.1, C.12.1.
"""

import io
from dataclasses import dataclass, field
from datetime import date, datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from csss.dicom.facts import DicomName, NameParts
from csss.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, uid_for

UTF_8 = "ISO_IR 192"
# Lengths of value representations in characters (PS3.5 section 6.2).
_SH, _LO, _PN = 16, 64, 64


@dataclass(frozen=True)
class PatientInReport:
    """The patient of the record, who is the one on the report."""

    name: DicomName
    patient_id: str
    issuer: str = ""
    birth_date: date | None = None
    sex: str = ""  # M, F, O, or empty


@dataclass(frozen=True)
class StudyInReport:
    """The study that the objects join; for an upload without one, `study_uid_for` makes its UID."""

    study_uid: str
    accession_number: str = ""
    study_id: str = ""
    study_date: date | None = None
    study_time: str = ""  # HH:MM:SS
    description: str = ""
    referring_physician: DicomName = field(default_factory=DicomName)


@dataclass(frozen=True)
class SourceImage:
    """A picture that the report is about."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str


@dataclass(frozen=True)
class ReportObject:
    """Which report, and of which version. `at` has a time zone: the moment of the release."""

    report_id: str
    version: int
    at: datetime
    patient: PatientInReport
    study: StudyInReport
    hospital: str
    software: str  # version of CSSS
    title: str = "Diagnostic imaging report"
    sources: tuple[SourceImage, ...] = ()

    def uid(self, kind: str, *, version: int | None = None) -> str:
        """The SOP Instance UID of the object of this kind, for this version or an earlier one."""
        return uid_for("object", kind, self.report_id, version or self.version)

    def series_uid(self, kind: str) -> str:
        """One series for each kind and report: all versions stand in it."""
        return uid_for("series", kind, self.report_id)


def study_uid_for(scan_id: object) -> str:
    """The Study Instance UID of a scan that came without one, such as a JPEG."""
    return uid_for("study", scan_id)


def begun(about: ReportObject, kind: str, sop_class: UID, modality: str, series_number: int) -> Dataset:
    """A data set with the modules that all objects have. Raises ValueError for a text that is too long for DICOM."""
    data = Dataset()
    data.SpecificCharacterSet = UTF_8
    data.SOPClassUID, data.SOPInstanceUID = sop_class, about.uid(kind)
    data.TimezoneOffsetFromUTC = f"{about.at:%z}"
    _patient(data, about.patient)
    _study(data, about.study)
    data.Modality = modality
    data.SeriesInstanceUID = about.series_uid(kind)
    data.SeriesNumber = str(series_number)
    data.SeriesDescription = line(about.title, _LO, cut=True)
    data.InstanceNumber = str(about.version)
    data.Manufacturer, data.ManufacturerModelName = "CSSS", "Clinical Scan Support System"
    data.SoftwareVersions = line(about.software, _LO, cut=True)
    data.InstitutionName = line(about.hospital, _LO, cut=True)
    data.InstanceCreationDate, data.InstanceCreationTime = f"{about.at:%Y%m%d}", f"{about.at:%H%M%S}"
    data.ContentDate, data.ContentTime = data.InstanceCreationDate, data.InstanceCreationTime
    return data


def _patient(data: Dataset, patient: PatientInReport) -> None:
    data.PatientName = person(patient.name)
    data.PatientID = line(patient.patient_id, _LO)
    if patient.issuer:
        data.IssuerOfPatientID = line(patient.issuer, _LO)
    data.PatientBirthDate = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    data.PatientSex = patient.sex if patient.sex in {"M", "F", "O"} else ""


def _study(data: Dataset, study: StudyInReport) -> None:
    data.StudyInstanceUID = study.study_uid
    data.StudyDate = f"{study.study_date:%Y%m%d}" if study.study_date else ""
    data.StudyTime = study.study_time.replace(":", "")
    data.AccessionNumber = line(study.accession_number, _SH)
    data.StudyID = line(study.study_id, _SH)
    data.ReferringPhysicianName = person(study.referring_physician)
    if study.description:
        data.StudyDescription = line(study.description, _LO, cut=True)


def line(text: str, most: int, *, cut: bool = False) -> str:
    """A text of one line: a backslash would begin another value, and control characters have no place (PS3.5 6.2).

    An identifier that is too long raises ValueError, because half of one names something else; words are `cut`.
    """
    plain = " ".join(
        "".join(each if each.isprintable() or each in "\u200c\u200d" else " " for each in text).split()
    )
    plain = plain.replace("\\", "/")
    if len(plain) > most and not cut:
        raise ValueError(f"{plain[:most]}… has more than {most} characters")
    return plain[:most].strip()


def person(name: DicomName) -> str:
    """A name as PN: components with carets, groups with equals signs (PS3.5 section 6.2.1)."""
    groups = [_group(each) for each in (name.alphabetic, name.ideographic, name.phonetic)]
    return "=".join(groups).rstrip("=")


def _group(parts: NameParts) -> str:
    components = (parts.family, parts.given, parts.middle, parts.prefix, parts.suffix)
    plain = [line(each.replace("^", " ").replace("=", " "), _PN, cut=True) for each in components]
    return "^".join(plain).rstrip("^")[:_PN]


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 section 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """An item that names another object."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return item


def evidence(about: ReportObject, series: dict[str, list[Dataset]]) -> Dataset:
    """Objects by study and series (PS3.3 table 10-3b, the hierarchical SOP instance reference)."""
    study = Dataset()
    study.StudyInstanceUID = about.study.study_uid
    study.ReferencedSeriesSequence = []
    for uid, objects in series.items():
        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedSOPSequence = uid, objects
        study.ReferencedSeriesSequence.append(item)
    return study


def predecessor(about: ReportObject, kind: str, sop_class: UID) -> Dataset:
    """The object of the version before."""
    earlier = reference(sop_class, about.uid(kind, version=about.version - 1))
    return evidence(about, {about.series_uid(kind): [earlier]})


def file_of(data: Dataset) -> bytes:
    """The bytes of the file, with preamble and meta information (PS3.10 section 7.1)."""
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    data.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    target = io.BytesIO()
    dcmwrite(target, data, enforce_file_format=True)
    return target.getvalue()
