"""The report as an Encapsulated PDF (PS3.3 A.45.1)."""

from pydicom.uid import EncapsulatedPDFStorage

from csss.dicom.outgoing.common import ReportObject, begun, code, file_of, predecessor, reference

KIND = "pdf"
_SERIES = 9001


def encapsulated_pdf(about: ReportObject, pdf: bytes) -> bytes:
    """Wrap the kept PDF. Raises ValueError if it is none."""
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("no PDF")
    data = begun(about, KIND, EncapsulatedPDFStorage, "DOC", _SERIES)
    data.ConversionType = "WSD"
    data.AcquisitionDateTime = ""
    data.BurnedInAnnotation = "YES"  # the patient's name is on the pages
    data.DocumentTitle = about.title
    data.ConceptNameCodeSequence = [code("18748-4", "LN", "Diagnostic imaging study")]
    data.VerificationFlag = "VERIFIED"
    if about.sources:
        data.SourceInstanceSequence = [
            reference(each.sop_class_uid, each.sop_instance_uid) for each in about.sources
        ]
    if about.version > 1:
        data.PredecessorDocumentsSequence = [predecessor(about, KIND, EncapsulatedPDFStorage)]
    data.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data.EncapsulatedDocumentLength = len(pdf)
    data.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return file_of(data)
