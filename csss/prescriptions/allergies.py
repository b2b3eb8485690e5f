"""Interpret what a patient's free text on allergies means for a medicine.

Recognition in free text is a help and no proof, so the text itself is always shown. Cross-reactions are those
between classes that share the structure responsible for them (the β-lactam ring, salicylates and other NSAIDs,
angio-oedema under ACE inhibitors and neprilysin inhibitors).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from csss.caches import cached
from csss.i18n import gettext as _
from csss.prescriptions.formulary import Formulary, Group, Medicine, alike, named, words

_NONE_KNOWN = frozenset(
    ("none", "no", "nil", "nka", "nkda", "nothing", "none known", "none that i know of", "not allergic")
) | frozenset(
    f"{beginning} {what}"
    for beginning in ("no", "no known", "not aware of any", "none known")
    for what in ("allergy", "allergies", "drug allergy", "drug allergies", "medicine allergies")
)
_DENIED = re.compile(
    r"^(?:(?:not allergic|no (?:known )?(?:drug )?(?:allerg\w*|reactions?)|denies)\b"
    # "Tolerates no aspirin" and "tolerates penicillin badly" deny no allergy.
    r"|(?:tolerates|tolerated|can take)\b(?!.*\b(?:no|not|none|never|badly|poorly|hardly)\b))",
    re.IGNORECASE,
)
_EXCEPT = re.compile(r"\b(?:except|apart from|other than)\b", re.IGNORECASE)
_SENTENCES = re.compile(r"[.;:,\n]|\s[-–—]\s|\b(?:and|but|although|though|however)\b", re.IGNORECASE)


class AllergiesAsked(StrEnum):
    """What is known about a patient's allergies."""

    NOT_ASKED = "not_asked"  # the record says nothing
    NONE_KNOWN = "none_known"  # the record says that there are none
    LISTED = "listed"


@dataclass(frozen=True)
class Allergies:
    """What a record's text names. `typed` maps what was recognised to the words in the text."""

    state: AllergiesAsked
    medicines: tuple[tuple[Medicine, str], ...] = ()
    groups: tuple[tuple[Group, str], ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def recognised(self) -> tuple[str, ...]:
        """What the warnings look for, as a list for people."""
        names = [medicine.name.lower() for medicine, _typed in self.medicines]
        names += [group.name.removeprefix("the ") for group, _typed in self.groups]
        return tuple(dict.fromkeys(names))


def state(text: str) -> AllergiesAsked:
    """Whether the record says anything, and whether it says "none". Text in a script that we cannot read does not
    count as "none", because people can read it."""
    if any(letter.isalpha() and not any(words(letter)) for letter in text):
        return AllergiesAsked.LISTED
    said = " ".join(words(text))
    if not said:
        return AllergiesAsked.NOT_ASKED
    return AllergiesAsked.NONE_KNOWN if said in _NONE_KNOWN else AllergiesAsked.LISTED


@cached(512)
def read(text: str, formulary: Formulary) -> Allergies:
    """Find medicines and groups in a patient's text. "Not allergic to aspirin" names none."""
    found = state(text)
    if found is not AllergiesAsked.LISTED:
        return Allergies(found)
    medicines: dict[Medicine, str] = {}
    groups: dict[Group, str] = {}
    told = tuple(_told(text))
    names = _names(formulary)
    for segment in told:
        for name in named(segment, names):
            for meaning in name.meaning:
                typed = " ".join(name.typed)
                if isinstance(meaning, Group):
                    groups.setdefault(meaning, typed)
                else:
                    medicines.setdefault(meaning, typed)
    return Allergies(found, tuple(medicines.items()), tuple(groups.items()), told)


@dataclass(frozen=True)
class Objection:
    """Why a patient may not tolerate a medicine. `itself`: the medicine is named, not only its group."""

    sentence: str
    itself: bool


def warning(drug: str, allergies: Allergies, formulary: Formulary) -> str | None:
    """Say why this patient may not tolerate the line's medicine; None when nothing is known against it."""
    found = objection(drug, allergies, formulary)
    return found.sentence if found else None


def objection(drug: str, allergies: Allergies, formulary: Formulary) -> Objection | None:
    """The strongest objection to the line's medicine: itself, then its group, then a related group."""
    prescribed = formulary.find(drug)
    for medicine in prescribed:
        for allergen, typed in allergies.medicines:
            if medicine.ingredients & allergen.ingredients:
                return Objection(
                    _("The patient names an allergy to “%(typed)s”, which is in this medicine.", typed=typed),
                    True,
                )
    if not prescribed and (word := _same_words(drug, allergies)):
        return Objection(_("The patient names an allergy to “%(typed)s”.", typed=word), True)
    for medicine in prescribed:
        for group, typed in _named_groups(allergies, formulary):
            if group.key in medicine.groups:
                sentence = _(
                    "The patient names an allergy to “%(typed)s”. %(drug)s is one of %(group)s.",
                    typed=typed,
                    drug=medicine.name,
                    group=group.name,
                )
                return Objection(sentence, False)
    for medicine in prescribed:
        for group, typed in _named_groups(allergies, formulary):
            for key in medicine.groups:
                if key in group.related or group.key in formulary.groups[key].related:
                    sentence = _(
                        "The patient names an allergy to “%(typed)s”. Some people with it react to %(group)s, too.",
                        typed=typed,
                        group=formulary.groups[key].name,
                    )
                    return Objection(sentence, False)
    return None


def _told(text: str) -> Iterator[str]:
    """The parts of a text that name allergies: without denied ones, including exceptions from a denial."""
    for segment in _SENTENCES.split(text):
        if not _DENIED.match(segment.strip()):
            yield segment.strip()
            continue
        _before, *excepted = _EXCEPT.split(segment)
        yield from (part.strip() for part in excepted)


def _named_groups(allergies: Allergies, formulary: Formulary) -> Iterator[tuple[Group, str]]:
    """The groups that a text names, and the groups of the medicines that it names."""
    yield from allergies.groups
    for medicine, typed in allergies.medicines:
        for key in medicine.groups:
            yield formulary.groups[key], typed


def _same_words(drug: str, allergies: Allergies) -> str | None:
    """A medicine that is not in the formulary, but shares a word of five or more letters with the record."""
    for word in words(drug):
        for segment in allergies.segments:
            for typed in words(segment):
                if len(word) >= 5 and word not in _PLAIN and alike(word, typed):
                    return typed
    return None


# Words of prescriptions and allergy texts that name no medicine.
_PLAIN = frozenset(
    words(
        "tablet tablets capsule capsules syrup inhaler inhaled spray drops injection allergy allergic allergies reaction "
        "severe medicine medicines child adult daily night morning other acute extra forte cream ointment solution"
    )
)


@lru_cache(maxsize=4)
def _names(formulary: Formulary) -> dict[tuple[str, ...], tuple[Medicine | Group, ...]]:
    """Every word that names a medicine, an ingredient or a group; "beta lactams" names several groups."""
    found: dict[tuple[str, ...], tuple[Medicine | Group, ...]] = {}
    for group in formulary.groups.values():
        for spelling in group.words:
            key = tuple(words(spelling))
            found[key] = (*found.get(key, ()), group)
    for medicine in formulary.medicines:
        parts = medicine.name.split(" and ")
        for spelling in (medicine.name, *medicine.other_names, " ".join(parts)):
            found.setdefault(tuple(words(spelling)), (medicine,))
    for (
        medicine
    ) in formulary.medicines:  # the second ingredient of a combination that has no entry of its own
        for ingredient in medicine.ingredients:
            part = Medicine(ingredient.capitalize(), "", "", (), (), ())
            found.setdefault(tuple(words(ingredient)), (part,))
    return found
