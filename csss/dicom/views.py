"""Tell from the tags what a picture shows: a chest from the front or the side, the heart's short axis, or something else.

Only what the tags say counts here. Whether the picture looks like what they say is for the outlier score to check.
Codes are those of PS3.16: CID 4010 (views of projection radiography), CID 4009 and CID 4 (anatomic regions), and SNOMED
CT's "short axis" for cardiac MR. SRT and SCT designate the same concepts.
"""

import re

from pydicom.dataset import Dataset

from csss.dicom.facts import KindOfView, ViewKind, ViewReason
from csss.dicom.headers import first_item, macro_of_frame, text_of, texts_of
from csss.dicom.tags import body_part_of, view_position_of

_PROJECTIONS = {"CR", "DX", "DR", "RG", "RF", "SC", "OT"}
_CHEST_WORDS = {"CHEST", "THORAX", "LUNG", "LUNGS", "THX", "CXR", "TORAX", "BRUSTKORB"}
_CHEST_CODES = {"T-D3000", "51185008", "T-28000", "39607008", "181216001"}
_HEART_WORDS = {"HEART", "CARDIAC", "COR", "MYOCARDIUM", "CARDIO", "HERZ"}
_HEART_CODES = {"T-32000", "80891009"}
_FRONTAL_WORDS = {
    "PA",
    "AP",
    "POSTERO-ANTERIOR",
    "ANTERO-POSTERIOR",
    "POSTEROANTERIOR",
    "ANTEROPOSTERIOR",
    "FRONTAL",
}
_LATERAL_WORDS = {"LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT", "LEFT LATERAL", "RIGHT LATERAL", "ML", "LM"}
_OBLIQUE_WORDS = {"RAO", "LAO", "RPO", "LPO", "LLO", "RLO", "OBLIQUE", "LORDOTIC", "AXIAL", "XTL"}
_FRONTAL_CODES = {"R-10206", "R-10214", "399348003", "272479007"}
_LATERAL_CODES = {"R-10232", "R-10236", "399198007", "399173006", "R-10228", "399067008"}
_SHORT_AXIS_CODES = {"G-A186", "103340004"}
_SHORT_AXIS = re.compile(r"\b(SAX|SA|SHORT[ _-]?AX(IS)?|KURZE[ _-]?ACHSE|KA)\b")
_OTHER_PLANE = re.compile(
    r"\b(LAX|LONG[ _-]?AX(IS)?|[234] ?CH(AMBER)?|[234]CV?|HLA|VLA|LVOT|RVOT|AORT\w*|AX(IAL)?|TRA|SAG|COR)\b"
)
_WORD = re.compile(r"[^A-Z0-9]+")


def kind_of_view(data: Dataset) -> KindOfView:
    """Decide by modality, body part and view."""
    modality = text_of(data, "Modality").upper()
    if any(each.upper() == "LOCALIZER" for each in texts_of(data, "ImageType")):
        return KindOfView(ViewKind.OTHER, ViewReason.LOCALIZER)
    if modality == "MR":
        return _heart(data)
    if modality in _PROJECTIONS:
        return _chest(data, modality)
    return KindOfView(ViewKind.OTHER, ViewReason.MODALITY, modality[:16])


def _descriptions(data: Dataset) -> str:
    keywords = ("SeriesDescription", "ProtocolName", "StudyDescription", "PerformedProcedureStepDescription")
    return " / ".join(text_of(data, each) for each in keywords).upper()


def _words(text: str) -> set[str]:
    return set(_WORD.split(text))


def _code_of(data: Dataset, keyword: str) -> str:
    item = first_item(data, keyword)
    return text_of(item, "CodeValue") if item is not None else ""


def _region_code(data: Dataset) -> str:
    return _code_of(macro_of_frame(data, 0, "FrameAnatomySequence") or data, "AnatomicRegionSequence")


def _chest(data: Dataset, modality: str) -> KindOfView:
    part, described = body_part_of(data), _words(_descriptions(data))
    if part or _region_code(data):
        chest = bool(_words(part) & _CHEST_WORDS) or _region_code(data) in _CHEST_CODES
    else:
        chest = bool(described & _CHEST_WORDS)
    if not chest:
        return KindOfView(ViewKind.OTHER, ViewReason.BODY_PART, part[:64])
    said, code = view_position_of(data), _code_of(data, "ViewCodeSequence")
    words = _words(said)
    if said in _FRONTAL_WORDS or words & _FRONTAL_WORDS or code in _FRONTAL_CODES:
        if words & _OBLIQUE_WORDS:
            return KindOfView(ViewKind.OTHER, ViewReason.OBLIQUE, said[:64])
        return KindOfView(ViewKind.FRONTAL_CHEST, ViewReason.TAGS, said[:64])
    if said in _LATERAL_WORDS or words & _LATERAL_WORDS or code in _LATERAL_CODES:
        return KindOfView(ViewKind.LATERAL_CHEST, ViewReason.TAGS, said[:64])
    if said:
        return KindOfView(ViewKind.OTHER, ViewReason.OBLIQUE, said[:64])
    return _by_orientation(data, described)


def _by_orientation(data: Dataset, described: set[str]) -> KindOfView:
    """Without a view, the orientation of the patient tells the side; then the words of the descriptions do."""
    row = next(iter(texts_of(data, "PatientOrientation")), "").upper()
    if row[:1] in {"L", "R"}:
        return KindOfView(
            ViewKind.FRONTAL_CHEST, ViewReason.TAGS, "\\".join(texts_of(data, "PatientOrientation"))[:64]
        )
    if row[:1] in {"A", "P"}:
        return KindOfView(
            ViewKind.LATERAL_CHEST, ViewReason.TAGS, "\\".join(texts_of(data, "PatientOrientation"))[:64]
        )
    frontal, lateral = described & _FRONTAL_WORDS, described & _LATERAL_WORDS
    if frontal and not lateral:
        return KindOfView(ViewKind.FRONTAL_CHEST, ViewReason.TAGS, min(frontal))
    if lateral and not frontal:
        return KindOfView(ViewKind.LATERAL_CHEST, ViewReason.TAGS, min(lateral))
    return KindOfView(ViewKind.OTHER, ViewReason.VIEW_UNSAID)


def _heart(data: Dataset) -> KindOfView:
    """A short-axis view is named by its code or by the words of its series: the plane's direction alone does not tell."""
    part = body_part_of(data)
    series = f"{text_of(data, 'SeriesDescription')} / {text_of(data, 'ProtocolName')}".upper()
    short = _SHORT_AXIS.search(series.replace("_", " "))
    code = _code_of(data, "ViewCodeSequence")
    heart = bool(_words(part) & _HEART_WORDS) or _region_code(data) in _HEART_CODES
    heart = heart or bool(_words(_descriptions(data)) & _HEART_WORDS)
    chest = bool(_words(part) & _CHEST_WORDS)
    if not heart and not (chest and short):
        return KindOfView(ViewKind.OTHER, ViewReason.BODY_PART, part[:64])
    if code in _SHORT_AXIS_CODES or (short and not _OTHER_PLANE.search(series.replace("_", " "))):
        return KindOfView(ViewKind.CARDIAC_SHORT_AXIS, ViewReason.TAGS, (short[0] if short else code)[:64])
    return KindOfView(ViewKind.OTHER, ViewReason.CARDIAC_PLANE, series.strip(" /")[:64])
