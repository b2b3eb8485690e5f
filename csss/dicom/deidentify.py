"""De-identify a file by the Basic Application Level Confidentiality Profile (PS3.15 annex E).

`data/basic_profile.csv` is Table E.1-1 of the edition 2026c: tag, mask, action. Where the table leaves a choice by the
type of an attribute (X/Z, Z/D and so on), the one that keeps the object conformant is taken. Beyond the table, because
there is no person here to look at what is left:

- every private attribute is removed, and every attribute that no dictionary knows;
- every UID is replaced unless the standard defines it;
- a person's name that the table does not list is removed;
- a text that still holds a word of the patient's name, or an id, is emptied, and named in the facts.

Dates are removed, or moved back with the option *Retain Longitudinal Temporal Information Modified Dates*. Pixels stay
bit for bit: whether names are burnt into them is a fact that somebody has to look at. Objects without a picture are
refused.
"""

import csv
import io
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from csss.dicom.facts import DeidentifiedFacts
from csss.dicom.headers import UNREADABLE_VALUE, text_of, texts_of, whole_data_set
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.pseudonyms import Rules, days_back, mapped_uid
from csss.dicom.structure import layout_of
from csss.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

_DICTIONARY_OF_STANDARD = "1.2.840.10008."
_TEMPORAL = {"DA", "DT", "TM"}
_PATIENT_GROUP = 0x0010
_TEXTS = {"LO", "LT", "SH", "ST", "UC", "UT", "PN", "AE", "UR", "CS", "IS"}
# Objects whose pixels usually hold texts.
_OFTEN_BURNED_IN = {"US", "SC", "OT", "XC", "ES", "GM", "SM", "OP", "XA", "RF"}
_DUMMIES = {
    **dict.fromkeys(("LO", "SH", "PN", "CS", "ST", "LT", "UT", "UC", "AE"), "REMOVED"),
    **{"DA": "19000101", "TM": "000000", "DT": "19000101000000", "AS": "000Y"},
    **dict.fromkeys(("IS", "DS"), "0"),
}


class Deidentified(NamedTuple):
    """The new file, and the facts about it."""

    content: bytes
    facts: DeidentifiedFacts


class _Action(NamedTuple):
    tag: int
    mask: int
    letter: str


@cache
def profile() -> tuple[dict[int, str], tuple[_Action, ...]]:
    """The table: actions by tag, and those of repeating groups. The last letter of a choice counts."""
    single, repeating = {}, []
    text = (Path(__file__).parent / "data" / "basic_profile.csv").read_text("ascii")
    for row in csv.DictReader(io.StringIO(text)):
        tag, mask, letter = int(row["tag"], 16), int(row["mask"], 16), row["action"].rstrip("*")[-1]
        if mask == 0xFFFFFFFF:
            single[tag] = letter
        else:
            repeating.append(_Action(tag, mask, letter))
    return single, tuple(repeating)


def action_for(tag: int) -> str:
    """D: dummy, Z: empty, X: remove, U: another UID; empty if the table says nothing."""
    single, repeating = profile()
    return single.get(tag) or next((each.letter for each in repeating if tag & each.mask == each.tag), "")


def deidentified(content: bytes, rules: Rules) -> Deidentified:
    """The file without what tells who the patient is. Raises Unreadable; ValueError if the rules are none."""
    if not rules.subject or not rules.subject.isprintable():
        raise ValueError("no subject")
    layout = layout_of(content)
    if not layout.pixel_tag:
        raise Unreadable(Problem.NO_PICTURE)
    data = whole_data_set(layout)
    back = days_back(rules.key, rules.patient or text_of(data, "PatientID")) if rules.shift_dates else 0
    cleaner = _Cleaner(rules, back, _identifying_words(data))
    burned, modality = text_of(data, "BurnedInAnnotation").upper(), text_of(data, "Modality").upper()
    cleaner.clean(data)
    _sign(data, rules, back)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(layout.transfer_syntax)
    data.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    data.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    facts = DeidentifiedFacts(
        text_of(data, "StudyInstanceUID"),
        text_of(data, "SeriesInstanceUID"),
        text_of(data, "SOPInstanceUID"),
        cleaner.removed,
        cleaner.replaced,
        cleaner.private,
        back,
        burned if burned in {"YES", "NO"} else "",
        burned != "NO" or modality in _OFTEN_BURNED_IN,
        tuple(sorted(cleaner.emptied)),
    )
    return Deidentified(_written(data), facts)


def _written(data: Dataset) -> bytes:
    """A file with an empty preamble, in the transfer syntax that it had."""
    target = io.BytesIO()
    try:
        dcmwrite(target, data, enforce_file_format=True)
    except UNREADABLE_VALUE:
        raise Unreadable(Problem.DAMAGED) from None
    return target.getvalue()


def _identifying_words(data: Dataset) -> set[str]:
    """Words of the patient's names, and ids, that must not be left anywhere. Words of two letters say nothing."""
    words = set()
    for keyword in ("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName"):
        for name in texts_of(data, keyword):
            words |= set(name.upper().replace("^", " ").replace("=", " ").split())
    for keyword in ("PatientID", "OtherPatientIDs", "AccessionNumber"):
        words |= {each.upper() for each in texts_of(data, keyword)}
    return {each for each in words if len(each) > 2}


class _Cleaner:
    """One pass over a data set and its sequences."""

    def __init__(self, rules: Rules, back: int, words: set[str]) -> None:
        self._rules, self._back, self._words = rules, back, words
        self.removed = self.replaced = self.private = 0
        self.emptied: set[str] = set()

    def clean(self, data: Dataset) -> None:
        for tag in list(data.keys()):
            try:
                element = data[tag]
            except UNREADABLE_VALUE:
                self._remove(data, tag)
                continue
            if tag.is_private:
                self.private += 1
                del data[tag]
            elif (
                tag.element == 0
                or element.VR == "UN"
                or not (dictionary_has_tag(tag) or tag.group & 0xFF00 == 0x6000)
            ):
                self._remove(data, tag)
            else:
                self._element(data, element)

    def _remove(self, data: Dataset, tag: int) -> None:
        del data[tag]
        self.removed += 1

    def _element(self, data: Dataset, element: DataElement) -> None:
        letter, vr = action_for(int(element.tag)), str(element.VR)
        if self._back and vr in _TEMPORAL and element.tag.group != _PATIENT_GROUP and letter != "U":
            self._shift(element)
        elif letter == "X" or (not letter and vr == "PN"):
            self._remove(data, element.tag)
        elif vr == "SQ":
            self._sequence(data, element, letter)
        elif letter == "U" or vr == "UI":
            self._uid(element)
        elif letter in {"Z", "D"}:
            self._replace(element, letter)
        elif vr in _TEXTS and self._tells(element):
            element.value = None
            self.emptied.add(element.keyword)
            self.replaced += 1

    def _sequence(self, data: Dataset, element: DataElement, letter: str) -> None:
        if letter in {"Z", "D"}:
            element.value = []
            self.replaced += 1
            return
        for item in element.value or ():
            self.clean(item)

    def _uid(self, element: DataElement) -> None:
        values = [element.value] if isinstance(element.value, str) else list(element.value or ())
        new = [
            each
            if each.startswith(_DICTIONARY_OF_STANDARD) or not each
            else mapped_uid(self._rules.key, each)
            for each in map(str, values)
        ]
        if new != [str(each) for each in values]:
            element.value = new[0] if len(new) == 1 else new
            self.replaced += 1

    def _replace(self, element: DataElement, letter: str) -> None:
        if element.keyword in {"PatientID", "PatientName"}:
            element.value = self._rules.subject
        elif letter == "Z":
            element.value = None
        else:
            dummy = _DUMMIES.get(str(element.VR))
            element.value = dummy if dummy is not None else b"" if str(element.VR)[:1] == "O" else None
        self.replaced += 1

    def _tells(self, element: DataElement) -> bool:
        values = element.value if isinstance(element.value, list) or element.VM > 1 else [element.value]
        text = " ".join(str(each) for each in values if each is not None).upper()
        found = set(text.replace("^", " ").replace("_", " ").replace("/", " ").split())
        return bool(found & self._words) or any(len(each) > 4 and each in text for each in self._words)

    def _shift(self, element: DataElement) -> None:
        """Dates move back; times of the day stay. What is no date is emptied."""
        if element.VR == "TM":
            return
        values = element.value if element.VM > 1 else [element.value]
        element.value = (
            [_moved(str(each), self._back) for each in values]
            if element.VM > 1
            else _moved(str(element.value or ""), self._back)
        )
        self.replaced += 1


def _moved(text: str, days: int) -> str:
    """A DA or DT, as many days earlier; empty if it has no complete date."""
    digits = text[:8]
    if len(digits) < 8 or not digits.isascii() or not digits.isdigit():
        return ""
    try:
        moved = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved:%Y%m%d}{text[8:]}" if moved.year > 999 else ""


def _sign(data: Dataset, rules: Rules, back: int) -> None:
    """Say that, and how, the object was de-identified (PS3.15 E.1.1; PS3.16 CID 7050)."""
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "CSSS: PS3.15 Basic Application Confidentiality Profile 2026c"
    codes = [("113100", "Basic Application Confidentiality Profile")]
    if back:
        codes.append(("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
    data.LongitudinalTemporalInformationModified = "MODIFIED" if back else "REMOVED"
    items = []
    for value, meaning in codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    data.DeidentificationMethodCodeSequence = items
    data.PatientName = data.PatientID = rules.subject
