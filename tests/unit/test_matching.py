"""No study is ever attached by one identifier: number, birth date and name have to agree in one record."""

import uuid
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csss.records.matching import (
    Candidate,
    Field,
    MatchAnswer,
    NamedPatient,
    differences,
    match,
    names_fit,
    shares_number,
)

# Few values each, so that they collide often.
NAMES = st.sampled_from(
    [
        "Priya Raman",
        "R. Priya",
        "RAMAN^PRIYA^^Mrs",
        "Priya",
        "Anil Kumar",
        "Sunil Kumar",
        "Kumar",
        "",
        "பிரியா ராமன்",
    ]
)
DAYS = st.sampled_from([date(1980, 2, 29), date(1980, 2, 28), date(2001, 1, 1)])
NUMBERS = st.frozensets(
    st.tuples(st.sampled_from(["", "City", "St. Thomas"]), st.sampled_from(["4711", "47-11", "0815", "1"])),
    max_size=2,
)
SEXES = st.sampled_from(["female", "male", "other", "unknown", ""])
RECORDS = st.lists(
    st.builds(Candidate, id=st.uuids(version=4), numbers=NUMBERS, name=NAMES, date_of_birth=DAYS, sex=SEXES),
    max_size=5,
)
NAMED = st.builds(NamedPatient, numbers=NUMBERS, name=NAMES, date_of_birth=st.none() | DAYS, sex=SEXES)


@given(NAMED, RECORDS)
def test_what_is_attached_agrees_in_all_three(named: NamedPatient, records: list[Candidate]) -> None:
    found = match(named, records)
    assert (found.record is not None) == (found.answer is MatchAnswer.ATTACH)
    if found.record is not None:
        assert shares_number(named.numbers, found.record.numbers)
        assert named.date_of_birth == found.record.date_of_birth
        assert names_fit(named.name, found.record.name)
        assert {named.sex, found.record.sex} != {"female", "male"}


@given(NAMED, RECORDS)
def test_without_any_one_of_the_three_a_person_decides(named: NamedPatient, records: list[Candidate]) -> None:
    for less in (
        replace(named, numbers=frozenset()),
        replace(named, name=""),
        replace(named, date_of_birth=None),
    ):
        assert match(less, records).answer is not MatchAnswer.ATTACH


@given(NAMED, RECORDS)
def test_two_records_with_the_number_are_a_question(named: NamedPatient, records: list[Candidate]) -> None:
    having = [each for each in records if shares_number(named.numbers, each.numbers)]
    if len(having) > 1:
        assert match(named, records).answer is MatchAnswer.ASK


@given(NAMED, RECORDS, st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(
    named: NamedPatient, records: list[Candidate], random: "object"
) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert match(named, shuffled) == match(named, records)


@given(
    st.builds(Candidate, st.uuids(), NUMBERS, NAMES, DAYS, SEXES),
    st.builds(Candidate, st.uuids(), NUMBERS, NAMES, DAYS, SEXES),
)
def test_what_differs_between_two_records_has_to_be_confirmed(one: Candidate, other: Candidate) -> None:
    """A merge asks for each of these, so that two people's reports are never mixed silently."""
    told = differences(one, other)
    assert (Field.NAME in told) == (not names_fit(one.name, other.name))
    assert (Field.DATE_OF_BIRTH in told) == (one.date_of_birth != other.date_of_birth)
    assert (Field.SEX in told) == ({one.sex, other.sex} == {"female", "male"})
    assert set(told) == set(differences(other, one))


@given(NAMES, NAMES)
def test_fitting_is_mutual(one: str, other: str) -> None:
    assert names_fit(one, other) == names_fit(other, one)


RECORD = Candidate(
    uuid.UUID(int=1), frozenset({("", "123456782")}), "Priya Raman", date(1980, 2, 29), "female"
)
STUDY = NamedPatient(frozenset({("", "123456782")}), "RAMAN^PRIYA", date(1980, 2, 29), "female")


def test_a_study_of_the_patient_is_attached() -> None:
    assert match(STUDY, [RECORD]).record == RECORD


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(replace(STUDY, numbers=frozenset({("", "123456790")})), id="another number"),
        pytest.param(replace(STUDY, date_of_birth=date(1980, 2, 28)), id="another birth date"),
        pytest.param(replace(STUDY, name="RAMAN^PRITI"), id="another given name"),
        pytest.param(replace(STUDY, sex="male"), id="the other sex"),
        pytest.param(replace(STUDY, name="RAMAN"), id="a family name alone"),
    ],
)
def test_a_study_that_differs_in_one_thing_waits_for_a_person(named: NamedPatient) -> None:
    found = match(named, [RECORD])
    assert found.answer is MatchAnswer.ASK and found.candidates == (RECORD,)


def test_a_birth_date_alone_points_to_nobody() -> None:
    named = NamedPatient(frozenset(), "", RECORD.date_of_birth)
    assert match(named, [RECORD]).answer is MatchAnswer.NOBODY


def test_a_number_of_another_issuer_is_another_number() -> None:
    ours = replace(RECORD, numbers=frozenset({("City", "4711")}))
    theirs = replace(STUDY, numbers=frozenset({("Village", "4711")}))
    assert match(theirs, [ours]).answer is MatchAnswer.ASK
    assert match(replace(theirs, numbers=frozenset({("CITY", "47-11")})), [ours]).answer is MatchAnswer.ATTACH


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Priya Raman", "RAMAN^PRIYA"),
        ("Priya Raman", "raman priya"),
        ("R. Priya", "Priya Raman"),
        ("R.Priya", "Priya Raman"),
        ("Dr. Priya Raman", "Priya Raman"),
        ("Anne-Zoë O’Brien", "OBRIEN^ANNE ZOE"),
        ("Anil Kumar", "Kumar^Anil^Raja"),
        ("பிரியா ராமன்", "ராமன்^பிரியா"),
        ("Priya", "R Priya"),
    ],
)
def test_names_of_one_person_fit(one: str, other: str) -> None:
    assert names_fit(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anil Kumar", "Sunil Kumar"),
        ("Kumar", "Anil Kumar"),
        ("Priya Raman", "Priya Rajan"),
        ("P. R.", "Priya Raman"),
        ("", "Priya"),
        ("Mr.", "Mr."),
        ("^^^", "Priya"),
        ("R. Priya", "S. Priya"),
    ],
)
def test_names_of_two_people_do_not_fit(one: str, other: str) -> None:
    assert not names_fit(one, other)


def test_what_differs_between_two_records_is_named() -> None:
    assert differences(RECORD, RECORD) == ()
    other = Candidate(uuid.UUID(int=2), frozenset(), "Anil Kumar", date(1980, 2, 28), "male")
    assert differences(RECORD, other) == (Field.NAME, Field.DATE_OF_BIRTH, Field.SEX)
    assert differences(RECORD, replace(RECORD, sex="unknown")) == ()
