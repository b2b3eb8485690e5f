"""The reading as a structured report: Basic Text SR (PS3.3 A.35.1) after TID 2000 of PS3.16.

The classifier's answer stands in a section of its own, with the device as its observer and the sentence that it is no
diagnosis: nobody can take it for what the doctor wrote.
"""

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage

from csss.dicom.facts import DicomName
from csss.dicom.outgoing.common import (
    ReportObject,
    SourceImage,
    begun,
    code,
    evidence,
    file_of,
    line,
    person,
    predecessor,
    reference,
)

KIND = "report"
_SERIES = 9003
_LANGUAGES = {"en": "English", "ta": "Tamil", "hi": "Hindi"}
_OURS = "99CSSS"  # a private coding scheme (PS3.16 section 8.2)


@dataclass(frozen=True)
class ClassifierAnswer:
    """What the classifier said, in words, and which model it was."""

    text: str
    model: str


@dataclass(frozen=True)
class ReadingInWords:
    """What the doctor wrote and signed, as it was written."""

    findings: str
    impression: str
    diagnosis: str
    doctor: DicomName
    language: str = "en"
    classifier: ClassifierAnswer | None = None  # None where nobody may know it


def text_report(about: ReportObject, reading: ReadingInWords) -> bytes:
    """Make the report. Empty sections are left out."""
    data = begun(about, KIND, BasicTextSRStorage, "SR", _SERIES)
    data.ReferencedPerformedProcedureStepSequence = []
    data.CompletionFlag, data.VerificationFlag, data.PreliminaryFlag = "COMPLETE", "VERIFIED", "FINAL"
    data.PerformedProcedureCodeSequence = []
    data.VerifyingObserverSequence = [_verifier(about, reading)]
    if about.version > 1:
        data.PredecessorDocumentsSequence = [predecessor(about, KIND, BasicTextSRStorage)]
    if about.sources:
        series: dict[str, list[Dataset]] = {}
        for each in about.sources:
            series.setdefault(each.series_uid, []).append(
                reference(each.sop_class_uid, each.sop_instance_uid)
            )
        data.CurrentRequestedProcedureEvidenceSequence = [evidence(about, series)]
    data.ValueType, data.ContinuityOfContent = "CONTAINER", "SEPARATE"
    data.ConceptNameCodeSequence = [code("18748-4", "LN", "Diagnostic Imaging Report")]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2000"
    data.ContentTemplateSequence = [template]
    data.ContentSequence = _content(about, reading)
    return file_of(data)


def _verifier(about: ReportObject, reading: ReadingInWords) -> Dataset:
    item = Dataset()
    item.VerifyingObserverName = person(reading.doctor)
    item.VerifyingObserverIdentificationCodeSequence = []
    item.VerifyingOrganization = line(about.hospital, 64, cut=True) or "CSSS"
    item.VerificationDateTime = f"{about.at:%Y%m%d%H%M%S%z}"
    return item


def _content(about: ReportObject, reading: ReadingInWords) -> list[Dataset]:
    language = reading.language if reading.language in _LANGUAGES else "en"
    spoken = _item(
        "HAS CONCEPT MOD", "CODE", code("121049", "DCM", "Language of Content Item and Descendants")
    )
    spoken.ConceptCodeSequence = [code(language, "RFC5646", _LANGUAGES[language])]
    kind = _item("HAS OBS CONTEXT", "CODE", code("121005", "DCM", "Observer Type"))
    kind.ConceptCodeSequence = [code("121006", "DCM", "Person")]
    observer = _item("HAS OBS CONTEXT", "PNAME", code("121008", "DCM", "Person Observer Name"))
    observer.PersonName = person(reading.doctor)
    items = [spoken, kind, observer]
    sections = (
        (reading.findings, ("121070", "Findings"), ("121071", "Finding")),
        (reading.impression, ("121072", "Impressions"), ("121073", "Impression")),
        (reading.diagnosis, ("121076", "Conclusions"), ("121077", "Conclusion")),
    )
    for text, section, concept in sections:
        if text.strip():
            items.append(
                _section(
                    code(section[0], "DCM", section[1]), [_text(code(concept[0], "DCM", concept[1]), text)]
                )
            )
    if reading.classifier is not None:
        items.append(_of_classifier(reading.classifier))
    if about.sources:
        items.append(_section(code("121180", "DCM", "Key Images"), [_image(each) for each in about.sources]))
    return items


def _of_classifier(answer: ClassifierAnswer) -> Dataset:
    kind = _item("HAS OBS CONTEXT", "CODE", code("121005", "DCM", "Observer Type"))
    kind.ConceptCodeSequence = [code("121007", "DCM", "Device")]
    name = _text(code("121013", "DCM", "Device Observer Name"), answer.model)
    name.RelationshipType = "HAS OBS CONTEXT"
    said = _text(code("ANSWER", _OURS, "Answer of the classifier, no diagnosis"), answer.text)
    return _section(code("CLASSIFIER", _OURS, "Classifier"), [kind, name, said])


def _image(source: SourceImage) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
    item.ReferencedSOPSequence = [reference(source.sop_class_uid, source.sop_instance_uid)]
    return item


def _item(relationship: str, value_type: str, concept: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    item.ConceptNameCodeSequence = [concept]
    return item


def _text(concept: Dataset, text: str) -> Dataset:
    item = _item("CONTAINS", "TEXT", concept)
    item.TextValue = "".join(
        each for each in text if each.isprintable() or each in "\n\r\t\u200c\u200d"
    ).strip()
    return item


def _section(concept: Dataset, items: list[Dataset]) -> Dataset:
    section = _item("CONTAINS", "CONTAINER", concept)
    section.ContinuityOfContent = "SEPARATE"
    section.ContentSequence = items
    return section
