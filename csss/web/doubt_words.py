"""Put the doubts about a picture (`csss.scans.doubts`) into words: a question to its sender, and a note for the doctor."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from csss.i18n import _, _l
from csss.scans import disclosure
from csss.scans.doubts import OF_THE_CLASSIFIER, Doubt, Doubtful
from csss.scans.models import Scan
from csss.scans.presenters import KIND_NAMES, Words
from csss.scans.states import ScanKind
from csss.web.filters import day, shorten


@dataclass(frozen=True)
class Question:
    """What is asked before the picture is taken. `sure` is sent with the answer yes, `upload_id` names the kept file."""

    sentences: tuple[str, ...]
    sure: str
    upload_id: uuid.UUID


def question(asked: Doubtful, kind: ScanKind, upload_id: uuid.UUID) -> Question:
    sentences = tuple(_sentence(each, kind, asked.earlier) for each in asked.doubts)
    return Question(sentences, " ".join(asked.doubts), upload_id)


_KIND_WITH_ARTICLE: Words[ScanKind] = Words(
    {ScanKind.CHEST_XRAY: _l("a chest X-ray"), ScanKind.CARDIAC_MRI: _l("a cardiac MRI")}
)
_PLAIN: Words[Doubt] = Words(
    {
        Doubt.DARK: _l("The picture is nearly black: hardly anything can be seen on it."),
        Doubt.BRIGHT: _l("The picture is nearly white: hardly anything can be seen on it."),
        Doubt.FLAT: _l("The picture has hardly any contrast: it is almost one grey."),
        Doubt.BLURRED: _l(
            "The picture looks blurred. A sharp photo is easier to read: hold the camera still."
        ),
        Doubt.FEW_PIXELS: _l("The picture is very small, so details are missing."),
    }
)


def _sentence(doubt: Doubt, kind: ScanKind, earlier: Scan | None) -> str:
    if doubt is Doubt.UNLIKE:
        return _("This does not look like %(kind)s.", kind=_KIND_WITH_ARTICLE[kind])
    if doubt is Doubt.OTHER_KIND:
        other = next(each for each in ScanKind if each is not kind)
        return _(
            "This looks like %(other)s, not like %(kind)s. If so, choose the other kind below.",
            other=_KIND_WITH_ARTICLE[other],
            kind=_KIND_WITH_ARTICLE[kind],
        )
    if doubt is Doubt.AGAIN:
        return _("You have sent this picture before: %(scan)s.", scan=told_apart(earlier) if earlier else "–")
    return _PLAIN[doubt]


def told_apart(scan: Scan) -> str:
    """A scan as its patient knows it: kind, date and indication."""
    words = _("%(kind)s, sent %(day)s", kind=KIND_NAMES[scan.kind], day=day(scan.uploaded_at))
    return f"{words}, “{shorten(scan.indication, 60)}”" if scan.indication else words


_FOR_STAFF: Words[Doubt] = Words(
    {
        Doubt.UNLIKE: _l("it does not look like a scan of its kind"),
        Doubt.OTHER_KIND: _l("it looks like a scan of the other kind"),
        Doubt.DARK: _l("it is nearly black"),
        Doubt.BRIGHT: _l("it is nearly white"),
        Doubt.FLAT: _l("it has hardly any contrast"),
        Doubt.BLURRED: _l("it looks blurred"),
        Doubt.FEW_PIXELS: _l("it has few pixels"),
        Doubt.AGAIN: _l("the same picture was sent before"),
    }
)


def for_staff(scan: Scan, *, answer_is_hidden: bool) -> str | None:
    """That the patient was asked, and sent the picture all the same. Where the classifier's answer is hidden, so is what
    was asked because of its features."""
    kept: Sequence[str] = scan.sent_despite or ()
    hidden = answer_is_hidden or disclosure.is_silent()
    told = [Doubt(each) for each in kept if not (hidden and each in OF_THE_CLASSIFIER)]
    if not told:
        return None
    return _(
        "The patient was asked about this picture (%(why)s) and sent it all the same.",
        why="; ".join(_FOR_STAFF[each] for each in told),
    )
