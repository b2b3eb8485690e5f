"""Read which files a DICOMDIR names (PS3.3 annex F, PS3.10 section 8)."""

from typing import NamedTuple

from pydicom.dataset import Dataset

from csss.dicom.headers import integer_of, items_of, text_of, texts_of
from csss.dicom.limits import MAX_ARCHIVE_OBJECTS
from csss.dicom.tags import uid_of


class NamedFile(NamedTuple):
    """One object that a DICOMDIR names."""

    kind: str  # of the record: IMAGE, SR DOCUMENT, …
    path: str  # the components of the file ID with slashes between, in capitals
    sop_class_uid: str
    sop_instance_uid: str


def files_of(data: Dataset) -> list[NamedFile]:
    """The files of all active records, in their order. A file ID with a component that leads elsewhere is left out."""
    found = []
    for record in items_of(data, "DirectoryRecordSequence"):
        components = texts_of(record, "ReferencedFileID")
        if not components or integer_of(record, "RecordInUseFlag") == 0 or not all(map(_plain, components)):
            continue
        found.append(
            NamedFile(
                text_of(record, "DirectoryRecordType").upper()[:16],
                "/".join(each.upper() for each in components),
                uid_of(record, "ReferencedSOPClassUIDInFile"),
                uid_of(record, "ReferencedSOPInstanceUIDInFile"),
            )
        )
    return found[:MAX_ARCHIVE_OBJECTS]


def _plain(component: str) -> bool:
    return (
        0 < len(component) <= 64 and component not in {".", ".."} and not set(component) & set('/\\:*?"<>|')
    )
