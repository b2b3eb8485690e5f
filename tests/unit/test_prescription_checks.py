"""What the formulary knows, and what a patient's own words on allergies mean for a medicine."""

from datetime import timedelta
from pathlib import Path

import pytest

from csss.config import BadSetting
from csss.prescriptions import allergies
from csss.prescriptions.allergies import AllergiesAsked
from csss.prescriptions.dose_checks import warning
from csss.prescriptions.formulary import alike, load, words
from csss.prescriptions.line_warnings import UNKNOWN_DURATION, lasts
from csss.prescriptions.models import Route

BOOK = load()


def test_the_formulary_names_enough_medicines_each_once_with_code_and_route() -> None:
    assert len(BOOK.medicines) >= 150
    assert len({medicine.code for medicine in BOOK.medicines}) == len(BOOK.medicines)
    assert all(medicine.routes and medicine.strengths for medicine in BOOK.medicines)
    used = {group for medicine in BOOK.medicines for group in medicine.groups}
    assert used == set(BOOK.groups)
    assert all(related in BOOK.groups for group in BOOK.groups.values() for related in group.related)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("Amoxicillin", "Amoxicillin"),
        ("amoxycillin 500 mg caps", "Amoxicillin"),
        ("Amoxicilin", "Amoxicillin"),
        ("Co-amoxiclav", "Amoxicillin and clavulanic acid"),
        ("clavulanic acid/amoxicillin", "Amoxicillin and clavulanic acid"),
        ("ASPIRIN 75 mg", "Acetylsalicylic acid"),
        ("Frusemide", "Furosemide"),
        ("pantoprazole", "Pantoprazole"),
        ("isosorbide mononitrate", "Isosorbide mononitrate"),
        ("Vitamin C", None),
        ("", None),
    ],
)
def test_a_line_is_understood_however_it_is_written(typed: str, found: str | None) -> None:
    assert [medicine.name for medicine in BOOK.find(typed)] == ([found] if found else [])


def test_no_two_names_of_the_formulary_are_taken_for_each_other() -> None:
    names = {word for medicine in BOOK.medicines for word in words(medicine.name)}
    alikes = {(one, two) for one in names for two in names if one < two and alike(one, two)}
    # A right spelling goes first; what is left is close in the hand and in the body.
    assert alikes <= {("amoxicillin", "ampicillin"), ("prednisolone", "prednisone")}


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", AllergiesAsked.NOT_ASKED),
        ("  - ", AllergiesAsked.NOT_ASKED),
        ("None.", AllergiesAsked.NONE_KNOWN),
        ("NKDA", AllergiesAsked.NONE_KNOWN),
        ("No known drug allergies", AllergiesAsked.NONE_KNOWN),
        ("Penicillin", AllergiesAsked.LISTED),
        ("No penicillin please", AllergiesAsked.LISTED),
        ("Peanuts", AllergiesAsked.LISTED),
        ("пенициллин: отёк Квинке", AllergiesAsked.LISTED),
        ("青霉素 no", AllergiesAsked.LISTED),
        ("பென்சிலின்", AllergiesAsked.LISTED),
    ],
)
def test_none_known_is_told_from_not_asked(text: str, state: AllergiesAsked) -> None:
    assert allergies.state(text) is state


@pytest.mark.parametrize(
    ("record", "drug", "warned"),
    [
        ("Penicillin – rash in 2009", "Amoxicillin", "is one of the penicillins"),
        ("pencilin", "Co-amoxiclav 625", "is one of the penicillins"),
        ("Penicillin", "Ceftriaxone", "react to the cephalosporins, too"),
        ("Amoxicillin", "Amoxycillin 500 mg", "which is in this medicine"),
        ("augmentin", "Flucloxacillin", "is one of the penicillins"),
        ("clavulanic acid", "Co-amoxiclav", "which is in this medicine"),
        ("aspirine gives me asthma", "Ibuprofen", "NSAIDs"),
        ("sulpha drugs", "Co-trimoxazole", "sulfonamide"),
        ("erythromycin", "Azithromycin", "macrolides"),
        ("ACE inhibitors (swelling)", "Ramipril", "ACE inhibitors"),
        ("ramipril: swollen lips", "Entresto", "neprilysin"),
        ("Trastuzumab", "trastuzumab 440 mg", "trastuzumab"),
        ("No allergies except codeine", "Codeine", "codeine"),
        ("No allergies: rash after penicillin", "Amoxicillin", "penicillin"),
        ("Tolerates amoxicillin although rash with codeine", "Codeine", "codeine"),
        ("not allergic to aspirin but allergic to ibuprofen", "Naproxen", "ibuprofen"),
        ("Penicillin", "Azithromycin", None),
        ("clavulanic acid", "Amoxicillin", None),
        ("tolerates no aspirin", "Ibuprofen", "NSAIDs"),
        ("can take no NSAIDs", "Ibuprofen", "NSAIDs"),
        ("Tolerates penicillin badly", "Amoxicillin", "penicillin"),
        ("No allergies – penicillin gave a rash", "Amoxicillin", "penicillin"),
        ("No allergies to aspirin", "Aspirin", None),
        ("not allergic to penicillin", "Amoxicillin", None),
        ("tolerates amoxicillin", "Amoxicillin", None),
        ("Peanuts, latex, pollen, shellfish", "Paracetamol", None),
        ("none", "Amoxicillin", None),
        ("", "Amoxicillin", None),
        ("iodine", "Codeine", None),
    ],
)
def test_an_allergy_is_seen_through_names_groups_and_spellings(
    record: str, drug: str, warned: str | None
) -> None:
    sentence = allergies.warning(drug, allergies.read(record, BOOK), BOOK)
    assert (sentence is None) if warned is None else (sentence is not None and warned in sentence)


@pytest.mark.parametrize(
    ("duration", "days"),
    [
        ("5 days", 5),
        ("1-2 weeks", 14),
        ("3 to 5 days", 5),
        ("a month", 31),
        ("one week", 7),
        ("6 months", 186),
        ("2 years", 732),
        ("5 days or 1 week", 7),
        ("10 days, then 6 months", 196),
        ("long-term", 1098),
        ("lifelong", 1098),
    ],
)
def test_how_long_a_medicine_is_taken(duration: str, days: int) -> None:
    assert lasts(duration) == timedelta(days=days)


@pytest.mark.parametrize("duration", ["", "as needed", "until the cough is gone"])
def test_where_the_end_cannot_be_told_it_may_still_be_taken_for_three_months(duration: str) -> None:
    assert lasts(duration) == UNKNOWN_DURATION


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Wondermycin;J01XX;tablet;oral;", "line 1: 6 columns are expected"),
        ("Wondermycin;J01;tablet;oral;;", "'J01' is no ATC code"),
        ("Wondermycin;J01XX99;tablet;by magic;;", "'by magic' is no route"),
        ("Wondermycin;J01XX99;tablet;oral;wonders;", "'wonders' is no allergy group"),
        ("# nothing", "there is no medicine in the file"),
        ("A;J01XX99;t;oral;;\nA;J01XX98;t;oral;;", "line 2: A is listed twice"),
        ("Wondermycin;J01XX99;tablet;oral;;;much", "'much' is not a maximum daily dose"),
        ("Wondermycin;J01XX99;tablet;oral;;;-4 g", "'-4 g' is not a maximum daily dose"),
        ("Wondermycin;J01XX99;tablet;oral;;;4", "'4' is not a maximum daily dose"),
        ("Wondermycin;J01XX99;tablet;oral;;;4 tablets", "'4 tablets' is not a maximum daily dose"),
        ("Wondermycin;J01XX99;tablet;oral;;;4 mg/kg", "'4 mg/kg' is not a maximum daily dose"),
        ("Wondermycin;J01XX99;tablet;oral;;;4 g;;and more", "a seventh may hold the maximum daily dose"),
    ],
)
def test_a_hospitals_own_file_is_refused_by_line(tmp_path: Path, line: str, sentence: str) -> None:
    file = tmp_path / "formulary.csv"
    file.write_text(line + "\n", "utf-8")
    with pytest.raises(BadSetting, match="CSSS_FORMULARY") as refused:
        load(str(file))
    assert sentence in str(refused.value)


def test_a_hospitals_own_file_takes_the_place_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "formulary.csv"
    file.write_text("Wondermycin;J01XX99;tablet 1 g;oral;macrolides;wonder\n", "utf-8")
    book = load(str(file))
    assert [medicine.name for medicine in book.medicines] == ["Wondermycin"]
    assert "macrolides" in (allergies.warning("Wonder 1 g", allergies.read("macrolides", book), book) or "")
    with pytest.raises(BadSetting, match="cannot be read"):
        load(str(tmp_path / "missing.csv"))


@pytest.mark.parametrize(
    ("line", "dose", "route", "told"),
    [
        # Without the seventh column, and with an empty one: eight times the greatest strength.
        ("Wondermycin;J01XX99;tablet 250 mg, 500 mg;oral;;", "4 g", "oral", None),
        (
            "Wondermycin;J01XX99;tablet 250 mg, 500 mg;oral;;;",
            "4.1 g",
            "oral",
            "8 times the greatest strength",
        ),
        ("Wondermycin;J01XX99;tablet 500 mg;oral;;;1 g", "1 g", "oral", None),
        (
            "Wondermycin;J01XX99;tablet 500 mg;oral;;;1 g",
            "2 g",
            "oral",
            "The maximum daily dose of Wondermycin is 1 g.",
        ),
        ("Wondermycin;J01XX99;t 500 mg;oral;;;1 g|intravenous 6 g", "2 g", "intravenous", None),
        ("Wondermycin;J01XX99;t 500 mg;oral;;;1 g|intravenous 6 g", "2 g", "oral", "Wondermycin is 1 g."),
        (
            "Wondermycin;J01XX99;t 500 mg;oral;;;1 g|9,000 units",
            "10,000 IU",
            "oral",
            "Wondermycin is 9,000 IU.",
        ),
        ("Wondermycin;J01XX99;drops;oral;;;", "900 g", "oral", None),  # nothing is known of it
    ],
)
def test_a_hospitals_own_file_says_how_much_a_day_is_too_much(
    tmp_path: Path, line: str, dose: str, route: str, told: str | None
) -> None:
    file = tmp_path / "formulary.csv"
    file.write_text(line + "\n", "utf-8")
    found = warning("Wondermycin", dose, Route(route), "once a day", load(str(file)))
    assert (found is None) if told is None else (found is not None and told in " ".join(found.split()))
