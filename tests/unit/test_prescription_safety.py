"""A prescription that may harm is noticed, in a sentence with its source; an ordinary one goes through without a word."""

from pathlib import Path

import pytest

from csss.config import BadSetting
from csss.prescriptions import formulary
from csss.prescriptions.amounts import read
from csss.prescriptions.dose_checks import problem
from csss.prescriptions.models import Route
from csss.prescriptions.safety import Code, SafetyWarning, Severity, check, interactions
from tests.tables import for_each
from tests.unit.prescription_cases import ASKED, ORDINARY, REFUSED, Case, line, man, woman

BOOK = formulary.load()
LIST = interactions.load()


def warnings(case: Case) -> list[tuple[SafetyWarning, ...]]:
    return check(case.facts, [line(each) for each in case.lines], BOOK, LIST)


def test_the_table_is_long_enough() -> None:
    assert len(ASKED) + len(REFUSED) >= 60 and len(ORDINARY) >= 40


@for_each("case", ASKED)
def test_what_may_harm_asks_for_a_reason(case: Case) -> None:
    told = warnings(case)[-1]
    assert {each.code for each in told if each.severity.asks} == case.codes, told
    for each in told:
        assert each.sentence.endswith(".") and (each.source or each.code is Code.UNKNOWN_MEDICINE)


@for_each("case", ORDINARY)
def test_an_ordinary_prescription_asks_for_no_reason(case: Case) -> None:
    asked = [each.written for told in warnings(case) for each in told if each.severity.asks]
    assert asked == []


@for_each("text, sentence", REFUSED)
def test_what_is_no_dose_is_refused(text: str, sentence: str) -> None:
    typed = line(text)
    assert sentence in (problem(typed.drug, typed.dose, Route(typed.route), BOOK) or "")


def test_warfarin_by_the_gram_for_a_child_is_told_in_plain_sentences() -> None:
    (told,) = check(man(5), [line("Warfarin; 5000 mg; oral; ten times a day")], BOOK, LIST)
    assert [each.severity for each in told] == [Severity.SERIOUS, Severity.SERIOUS]
    words = " ".join(each.written for each in told).replace("\N{NO-BREAK SPACE}", " ")
    assert "This comes to 50 g a day. The maximum daily dose of Warfarin is 15 mg." in words
    assert "The formulary has no dose of Warfarin for people under 18." in words
    assert "to be checked by the hospital's pharmacist, 2026-11-30" in words


def test_what_is_not_known_is_said_and_asks_for_nothing() -> None:
    said = {
        "Wondermycin; 500 mg; oral; twice a day": Code.UNKNOWN_MEDICINE,
        "Dopamine; 200 mg; intravenous; once a day": Code.NO_RANGE,
    }
    for text, code in said.items():
        (told,) = check(man(), [line(text)], BOOK, LIST)
        assert [(each.code, each.severity) for each in told] == [(code, Severity.NOTE)]
    (told,) = check(woman(), [line("Doxycycline; 100 mg; oral; twice a day")], BOOK, LIST)
    assert [(each.code, each.severity) for each in told] == [(Code.PREGNANCY, Severity.NOTE)]


def test_a_childs_weight_is_estimated_from_the_age_and_the_sentence_says_so() -> None:
    typed = [line("Paracetamol; 1 g; oral; four times a day")]
    (told,) = check(man(5), typed, BOOK, LIST)
    assert "for 18.5 kg, which is usual at this age (the weight is not known)" in told[0].sentence
    (told,) = check(man(5, weight_kg=20), typed, BOOK, LIST)
    assert "for 20 kg." in told[0].sentence


def test_every_range_of_the_formulary_has_a_source_and_a_date() -> None:
    with_ranges = [each for each in BOOK.medicines if each.usage.ranges]
    assert len(with_ranges) >= 280
    for each in with_ranges:
        assert each.source is not None and each.source.name and each.source.day.year >= 2026
    assert all(each.source.name for each in LIST.rows) and len(LIST.rows) >= 100


def test_no_range_forbids_what_the_same_row_lists_as_a_strength() -> None:
    """A slip in the file would question every line: a range in mg for a medicine that comes in micrograms."""
    too_much = {Code.DOSE_HIGH, Code.DAY_HIGH}
    for medicine in BOOK.medicines:
        for strength in medicine.strengths.split(", "):
            dose = " ".join(strength.split()[-2:])
            if read(dose).trouble or "/" in dose:
                continue
            typed = [line(f"{medicine.name}; {dose}; {route}; once a week") for route in medicine.routes]
            told = [check(man(), [each], BOOK, LIST)[0] for each in typed]
            assert any(not too_much & {each.code for each in one} for one in told), (medicine.name, told)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        ("adult dose 1 g to 250 mg", "“adult dose 1 g to 250 mg” is no usual use"),
        ("adult dose 5 tablets to 6 tablets", "is no usual use"),
        ("adult sideways dose 5 mg to 6 mg", "is no usual use"),
        ("pregnancy maybe", "“pregnancy maybe” is no usual use"),
    ],
)
def test_a_hospitals_own_formulary_is_refused_by_line(tmp_path: Path, use: str, sentence: str) -> None:
    file = tmp_path / "formulary.csv"
    file.write_text(f"source:;our pharmacist;2026-11-30\nWondermycin;J01XX99;t;oral;;;;{use}\n", "utf-8")
    with pytest.raises(BadSetting, match="CSSS_FORMULARY, line 2") as refused:
        formulary.load(str(file))
    assert sentence in str(refused.value)


def test_nothing_is_said_without_a_source(tmp_path: Path) -> None:
    file = tmp_path / "formulary.csv"
    file.write_text("Wondermycin;J01XX99;t;oral;;;;pregnancy avoid\n", "utf-8")
    with pytest.raises(BadSetting, match="say above it who says so"):
        formulary.load(str(file))
    file.write_text("source:;;yesterday\n", "utf-8")
    with pytest.raises(BadSetting, match="a source is written as"):
        formulary.load(str(file))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("J01;J02;terrible;Boom.", "'terrible' is not serious"),
        ("J01;J02;serious;", "say what may happen"),
        ("J01;J02;serious", "four columns are expected"),
    ],
)
def test_a_hospitals_own_list_of_interactions_is_refused_by_line(
    tmp_path: Path, row: str, sentence: str
) -> None:
    file = tmp_path / "interactions.csv"
    file.write_text(f"source:;our pharmacist;2026-11-30\n{row}\n", "utf-8")
    with pytest.raises(BadSetting, match="CSSS_INTERACTIONS, line 2") as refused:
        interactions.load(str(file))
    assert sentence in str(refused.value)


def test_a_hospitals_own_list_of_interactions_takes_the_place_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "interactions.csv"
    file.write_text("source:;our pharmacist;2027-01-02\nomeprazole;J01CA;caution;Not here.\n", "utf-8")
    typed = [line("Omeprazole; 20 mg; oral; od"), line("Amoxicillin; 500 mg; oral; tds")]
    told = check(man(), typed, BOOK, interactions.load(str(file)))
    assert [each.written for each in told[1]] == [
        "Caution: Amoxicillin and Omeprazole: Not here. (Source: list of interactions: our pharmacist, 2027-01-02)"
    ]
    with pytest.raises(BadSetting, match="cannot be read"):
        interactions.load(str(tmp_path / "missing.csv"))
