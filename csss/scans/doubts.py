"""Name what can speak against a picture that a patient sends. The patient is asked, and may send it all the same."""

from enum import StrEnum
from typing import TYPE_CHECKING

from csss.errors import Invalid

if TYPE_CHECKING:
    from csss.scans.models import Scan


class Doubt(StrEnum):
    """Kept with a scan that was sent all the same (`Scan.sent_despite`)."""

    UNLIKE = "unlike"  # no scan of this kind, by its features
    OTHER_KIND = "other_kind"
    DARK = "dark"
    BRIGHT = "bright"
    FLAT = "flat"
    BLURRED = "blurred"
    FEW_PIXELS = "few_pixels"
    AGAIN = "again"  # the patient has sent this picture before


# These come from the classifier's features: where it is silent, nobody who reads may know them.
OF_THE_CLASSIFIER = frozenset({Doubt.UNLIKE, Doubt.OTHER_KIND})


class Doubtful(Invalid):
    """The picture can be taken, but its sender has to say first that it is the right one."""

    def __init__(self, doubts: list[Doubt], earlier: "Scan | None" = None) -> None:
        self.doubts, self.earlier = (
            doubts,
            earlier,
        )  # `earlier`: the scan that was made of this picture before
        super().__init__()
