"""The worklist's filters and order: read from the address, shown in the form, and saved as a doctor's view."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from flask_babel.speaklater import LazyString
from wtforms import Form, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from csss.dates import midnight
from csss.i18n import _, _l
from csss.inference.classes import KINDS_OF_CLASS
from csss.inference.labels import UNCERTAIN
from csss.people import staff
from csss.people.models import User
from csss.scans import disclosure
from csss.scans.presenters import KIND_NAMES, PRIORITY_NAMES, human_name
from csss.scans.states import Priority, ScanKind, Status
from csss.scans.worklist_filters import ScanFilter
from csss.web.filters import shorten
from csss.web.forms import clean
from csss.web.listing import list_url

TO_DO, EVERYTHING = "to_do", "all"
ME, NOBODY = "me", "nobody"
DEFAULTS = {"status": TO_DO, "q": "", "sort": "priority"}
_LABELS: dict[str, LazyString] = {
    "status": _l("List"),
    "sort": _l("Order"),
    "kind": _l("Kind of scan"),
    "from": _l("Uploaded from"),
    "to": _l("Uploaded until"),
    "finding": _l("Classifier’s answer"),
    "reader": _l("Read by"),
    "priority": _l("Priority"),
}
ARGUMENTS = ("q", *_LABELS)
FILTERS = ("kind", "from", "to", "finding", "reader", "priority")
_SORTS: dict[str, LazyString] = {
    "priority": _l("Urgent first"),
    "waiting": _l("Longest waiting"),
    "newest": _l("Newest"),
    "confidence": _l("Least certain first"),
    "patient": _l("Patient, A to Z"),
    "-patient": _l("Patient, Z to A"),
    "kind": _l("Kind, A to Z"),
    "-kind": _l("Kind, Z to A"),
    "step": _l("First step first"),
    "-step": _l("Last step first"),
}


def answers_are_listed() -> bool:
    """Whether lists may tell the classifier's answer: the one place that hides its filter and its order."""
    return not disclosure.lists_are_blind()


def _choices(name: str) -> dict[str, str]:
    """The choices of a field with their labels; the readers are in the database."""
    listed = answers_are_listed()
    if name == "status":
        return dict.fromkeys((TO_DO, EVERYTHING, *Status), "")
    if name == "sort":
        return {key: str(words) for key, words in _SORTS.items() if listed or key != "confidence"}
    if name == "kind":
        return {kind.value: words for kind, words in KIND_NAMES.items()}
    if name == "priority":
        return {each.value: PRIORITY_NAMES[each] for each in sorted(Priority, reverse=True)}
    labels = (*KINDS_OF_CLASS, UNCERTAIN) if name == "finding" and listed else ()
    return {label: _("Uncertain") if label == UNCERTAIN else human_name(label) for label in labels}


@dataclass(frozen=True)
class WorklistFilter:
    """`texts` are the usable arguments that differ from their defaults, `scans` what they ask of a scan. `problems` has a
    sentence for each argument that was left out.
    """

    texts: tuple[tuple[str, str], ...]
    scans: ScanFilter
    problems: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        return dict(self.texts).get(name, DEFAULTS.get(name, ""))

    @property
    def filters(self) -> int:
        """How many filters are set, beside the list, the search and the order."""
        return sum(name in FILTERS for name, _value in self.texts)

    @property
    def view(self) -> dict[str, str]:
        """What is saved as the doctor's view: everything but the search, which would name a patient, and the days, after
        which new scans would never be seen again."""
        return {name: value for name, value in self.texts if name not in {"q", "from", "to"}}

    def url(self, **other: str) -> str:
        """The list's address with these filters, some of them replaced."""
        values = {**dict(self.texts), **other}
        wanted = {name: value for name, value in values.items() if value != DEFAULTS.get(name, "")}
        return address_of(wanted)


def address_of(wanted: Mapping[str, str]) -> str:
    """The list's address with these arguments. It never lacks all of them: the bare address opens the saved view."""
    return list_url("doctor.worklist", dict(wanted) or {"status": TO_DO})


def read_filter(arguments: Mapping[str, str], reader: User) -> WorklistFilter:
    """The filter in an address, as `reader` means it. A bad value is left out with a sentence; the others count."""
    return _Reading(arguments, reader).result()


class _Reading:
    """Reads one address, argument by argument."""

    def __init__(self, arguments: Mapping[str, str], reader: User) -> None:
        self.given = {name: clean(arguments.get(name, "")).strip()[:200] for name in ARGUMENTS}
        self.me = reader
        self.problems: list[str] = []

    def result(self) -> WorklistFilter:
        for name in ("status", "sort", "kind", "finding", "priority"):
            if self.given[name] and self.given[name] not in _choices(name):
                self._refuse(name)
        since, until = self._day("from"), self._day("to")
        if since and until and since > until:
            self.problems.append(_("The first day is after the last day, so both were left out."))
            self.given["from"] = self.given["to"] = ""
            since = until = None
        reader = self._reader()
        scans = ScanFilter(
            kind=ScanKind(self.given["kind"]) if self.given["kind"] else None,
            since=midnight(since) if since else None,
            until=midnight(until + timedelta(days=1)) if until else None,
            finding=self.given["finding"] or None,
            reader=reader,
            unread=True if self.given["reader"] == NOBODY else None,
            priority=Priority(self.given["priority"]) if self.given["priority"] else None,
        )
        texts = [(name, value) for name, value in self.given.items() if value != DEFAULTS.get(name, "")]
        return WorklistFilter(tuple(each for each in texts if each[1]), scans, tuple(self.problems))

    def _refuse(self, name: str) -> None:
        field, value = _LABELS[name], shorten(self.given[name], 40)
        if name in {"from", "to"}:
            words = _(
                "%(field)s: “%(value)s” is not a date, so it was left out. Write it as 2026-11-23.",
                field=field,
                value=value,
            )
        else:
            words = _(
                "%(field)s: “%(value)s” is not one of the choices, so it was left out.",
                field=field,
                value=value,
            )
        self.problems.append(words)
        self.given[name] = ""

    def _day(self, name: str) -> date | None:
        if not self.given[name]:
            return None
        try:
            found = date.fromisoformat(self.given[name])
        except ValueError:
            found = date.min
        if 1900 <= found.year <= 2200:
            return found
        self._refuse(name)
        return None

    def _reader(self) -> uuid.UUID | None:
        if self.given["reader"] == ME:
            return self.me.id
        if self.given["reader"] in {"", NOBODY}:
            return None
        try:
            found = uuid.UUID(self.given["reader"])
        except ValueError:
            found = uuid.UUID(int=0)
        if staff.doctor_name(found) is not None:
            return found
        self._refuse("reader")
        return None


class WorklistFilterForm(Form):
    """How the worklist is searched, filtered and sorted; the list itself is chosen by the tabs."""

    q = StringField(_l("Name or MRN"))
    sort = SelectField(_LABELS["sort"], validate_choice=False)
    kind = SelectField(_LABELS["kind"], validate_choice=False)
    finding = SelectField(_LABELS["finding"], validate_choice=False)
    reader = SelectField(_LABELS["reader"], validate_choice=False)
    priority = SelectField(_LABELS["priority"], validate_choice=False)
    first = StringField(_LABELS["from"], name="from")
    last = StringField(_LABELS["to"], name="to")


def filter_form(asked: WorklistFilter, reader: User) -> WorklistFilterForm:
    """The form, filled in with the filter that is shown."""
    form = WorklistFilterForm(data={name: asked[name] for name in ARGUMENTS})
    form.first.data, form.last.data = asked["from"], asked["to"]
    form.sort.choices = _offered("sort")
    for name in ("kind", "finding", "priority"):
        form[name].choices = [SelectChoice("", _("Any")), *_offered(name)]
    form.reader.choices = [
        SelectChoice("", _("Anybody or nobody")),
        SelectChoice(ME, _("Me")),
        SelectChoice(NOBODY, _("Nobody yet")),
        *(SelectChoice(str(id_), name) for id_, name in _colleagues(asked, reader)),
    ]
    if not answers_are_listed():
        del form.finding
    return form


def _offered(name: str) -> list[SelectChoice]:
    return [SelectChoice(value, words) for value, words in _choices(name).items()]


def _colleagues(asked: WorklistFilter, reader: User) -> list[tuple[uuid.UUID, str]]:
    """The other doctors, with the chosen one even when that doctor has left."""
    found = [each for each in staff.active_doctors() if each[0] != reader.id]
    chosen = asked.scans.reader
    if chosen is not None and chosen != reader.id and chosen not in dict(found):
        found.append((chosen, staff.doctor_name(chosen) or ""))
    return found


@dataclass(frozen=True)
class SavedView:
    """What the page offers about the doctor's saved view: `url` opens it, None without one or where it is shown."""

    url: str | None
    may_save: bool
    may_forget: bool


def saved_view(asked: WorklistFilter, saved: Mapping[str, str] | None) -> SavedView:
    """What to offer on a page that shows `asked` to the doctor who has saved `saved`."""
    same = asked.view == (saved or {})
    return SavedView(
        url=address_of(saved) if saved and not same else None,
        may_save=not same,
        may_forget=bool(saved),
    )


def columns(asked: WorklistFilter) -> list[dict[str, str | None]]:
    """The heads of the table: each but the first and the last is a link that sorts by it, or turns the order."""
    heads = [(_("Patient"), "patient", "-patient"), (_("Scan"), "kind", "-kind")]
    heads += [(_("Uploaded"), "waiting", "newest"), (_("Where it stands"), "step", "-step")]
    found: list[dict[str, str | None]] = []
    for label, up, down in heads:
        current = {up: "ascending", down: "descending"}.get(asked["sort"])
        wanted = down if current == "ascending" else up
        found.append({"label": label, "url": asked.url(sort=wanted), "sort": current})
    return found
