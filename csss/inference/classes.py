"""Hold what the rules know about a class by its name alone, because a stored prediction outlives its model.

Add the classes of later models here, too; a class that is in no table fits every kind of scan. Training has the list of
classes, with their names for people (`training/data/dataset.py`); a model's `labels.json` repeats it.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from csss.inference.labels import UNCERTAIN

if TYPE_CHECKING:
    from csss.inference.engine import Result

CHEST_XRAY: Final = "chest_xray"
CARDIAC_MRI: Final = "cardiac_mri"
KINDS: Final = (CHEST_XRAY, CARDIAC_MRI)
# The kinds of scan on which a class was trained. Normal contains chest X-rays and cardiac MRI of healthy people.
KINDS_OF_CLASS: Final[dict[str, frozenset[str]]] = {
    "COVID": frozenset({CHEST_XRAY}),
    "Lung_Opacity": frozenset({CHEST_XRAY}),
    "NIH_MERGED": frozenset({CHEST_XRAY}),
    "Normal": frozenset(KINDS),
    "Sick": frozenset({CARDIAC_MRI}),
    "Viral_Pneumonia": frozenset({CHEST_XRAY}),
}
HEALTHY: Final = "Normal"
# Half of the people in such a class had no finding: it indicates neither disease nor its absence.
WITHOUT_FINDING: Final = frozenset({"NIH_MERGED"})
_WORDS: Final = {CHEST_XRAY: ("chest X-ray", "chest X-rays"), CARDIAC_MRI: ("cardiac MRI", "cardiac MRI")}


def belongs_to(label: str, kind: str) -> bool:
    """Whether a class belongs to this kind of scan."""
    return kind in KINDS_OF_CLASS.get(label, {kind})


def judged_as(result: "Result", kind: str) -> "Result":
    """The prediction for a picture declared as this kind: uncertain when the nearest class is of the other kind.

    `kind` is one of `KINDS`. The probabilities are unchanged.
    """
    if belongs_to(result.top_label, kind):
        return result
    own = " and ".join(sorted(_WORDS[each][1] for each in KINDS_OF_CLASS[result.top_label]))
    reason = (
        f"The scan was taken for a {_WORDS[kind][0]}, but the nearest class is one of {own}: "
        "the kind or the reading is wrong."
    )
    more = f" {result.reason}" if result.reason else ""
    return replace(result, label=UNCERTAIN, uncertain=True, reason=reason + more)
