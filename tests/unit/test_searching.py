"""Names are found in any case, with or without accents, in any order; signs mean nothing but themselves."""

import importlib.util

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from csss.auth.accounts import update_profile
from csss.database import db, transaction
from csss.jobs.expired_rows import clean_up
from csss.paths import MIGRATIONS
from csss.people import search as searching
from csss.people.models import AccountState, Patient, SearchName, User
from csss.people.roles import Role
from tests.factories import Clinic

NAMES = (
    "Élodie Özil",
    "Ольга Иванова",
    "Γιώργος Ιωάννου",
    "ŁUKASZ ŻUK",
    "மீனா ஐயர்",
    "Jens Weiß",
    r"A*b? [c] 100% d_e \f ^-g",
    "Plain Asha",
)


@pytest.mark.both_databases
def test_names_are_found_in_any_case_and_signs_stand_for_themselves(clinic: Clinic) -> None:
    for name in NAMES:
        clinic.person("patient", name=name)

    found = found_by
    for name in NAMES:
        for text in (name, name.lower(), name.upper().replace("SS", "ß"), name.swapcase().replace("SS", "ß")):
            assert found(text) == [name], text
    assert found("лЬГа и") == ["Ольга Иванова"]
    assert found("ΡΓΟΣ") == found("ργος") == ["Γιώργος Ιωάννου"]
    assert found("மீனா") == ["மீனா ஐயர்"]
    assert found("łUk") == found("UKASZ ż") == ["ŁUKASZ ŻUK"]
    assert found("  éLODIE ") == ["Élodie Özil"]
    for sign in ("*", "?", "[", "]", "%", "_", "\\", "^", "-G", "[c]", "[C] 100% D"):
        assert found(sign) == [NAMES[6]], sign
    for nothing in ("élodie x", "é*", "é?odie", "[éÉ]lodie", "Ö%l", "ö_il", "é" * 10_000, "a" * 100_000):
        assert found(nothing) == [], nothing[:20]


def test_nothing_typed_asks_for_nothing(clinic: Clinic) -> None:
    assert searching.values("") == searching.values("  ") == {}


PEOPLE = (
    "Seán O'Brien",
    "Nuala O’Brien",
    "Jürgen Müller-Lüdenscheidt",
    "José María Núñez",
    "Łukasz Żółć",
    "Jens Weiß",
    "Søren Ærøskøbing",
    "Nguyễn Thị Đào",
    "İpek Işık",
    "Семён Королёв",
    "Άννα Παπαδοπούλου",
    "किरण ज़ैदी",
    "மீனா ஐயர்",
    "A.P.J. Abdul Kalam",
    "Anne-Marie D’Arc",
)


# What is typed, and whom it finds.
FOUND: list[tuple[str, set[str]]] = [
    ("obrien", {"Seán O'Brien", "Nuala O’Brien"}),
    ("O'Brien", {"Seán O'Brien", "Nuala O’Brien"}),
    ("O’BRIEN", {"Seán O'Brien", "Nuala O’Brien"}),
    ("o`brien", {"Seán O'Brien", "Nuala O’Brien"}),
    ("o brien", {"Seán O'Brien", "Nuala O’Brien"}),
    ("brien sean", {"Seán O'Brien"}),
    ("O'Brien, Séan", {"Seán O'Brien"}),
    ("muller", {"Jürgen Müller-Lüdenscheidt"}),
    ("Müller", {"Jürgen Müller-Lüdenscheidt"}),
    ("müller ludenscheidt", {"Jürgen Müller-Lüdenscheidt"}),
    ("Müller-Lüdenscheidt Jürgen", {"Jürgen Müller-Lüdenscheidt"}),
    ("mullerludenscheidt", {"Jürgen Müller-Lüdenscheidt"}),
    ("jose nunez", {"José María Núñez"}),
    ("Nuñez José", {"José María Núñez"}),
    ("maria", {"José María Núñez"}),
    ("lukasz", {"Łukasz Żółć"}),
    ("zolc lukasz", {"Łukasz Żółć"}),
    ("weiss", {"Jens Weiß"}),
    ("WEISS jens", {"Jens Weiß"}),
    ("soren aeroskobing", {"Søren Ærøskøbing"}),
    ("nguyen thi dao", {"Nguyễn Thị Đào"}),
    ("dao nguyen", {"Nguyễn Thị Đào"}),
    ("ipek isik", {"İpek Işık"}),
    ("королев семен", {"Семён Королёв"}),
    ("αννα", {"Άννα Παπαδοπούλου"}),
    ("ज़ैदी किरण", {"किरण ज़ैदी"}),
    ("जैदी", {"किरण ज़ैदी"}),
    ("करण", set()),  # a vowel sign is no accent: another name
    ("ஐயர் மீனா", {"மீனா ஐயர்"}),
    ("மனா", set()),
    ("apj kalam", {"A.P.J. Abdul Kalam"}),
    ("annemarie darc", {"Anne-Marie D’Arc"}),
    ("marie anne", {"Anne-Marie D’Arc"}),
    ("sean mueller", set()),
    ("jens x", set()),
    ("an\u200bne\u2060-marie", {"Anne-Marie D’Arc"}),
    ("anne−marie", {"Anne-Marie D’Arc"}),
    ("d‛arc", {"Anne-Marie D’Arc"}),
    ("'", set()),
    ("-", set()),
]


@pytest.mark.both_databases
def test_names_are_found_without_accents_or_apostrophe_and_in_any_order(clinic: Clinic) -> None:
    with transaction() as session:
        session.add_all(someone(number, name) for number, name in enumerate(PEOPLE))
    for typed, names in FOUND:
        assert set(found_by(typed)) == names, typed


@pytest.mark.both_databases
def test_signs_of_transcription_and_unseen_characters_do_not_matter(clinic: Clinic) -> None:
    for name in ("Saʿid al-Qurʾan", "علی\u200cرضا", "Núria Col·l", "Ŋgũgĩ"):
        clinic.person("patient", name=name)
    assert found_by("said alquran") == found_by("qur’an Sa’id") == ["Saʿid al-Qurʾan"]
    assert found_by("علیرضا") == found_by("علی\u200cرضا") == ["علی\u200cرضا"]
    assert found_by("coll nuria") == ["Núria Col·l"]
    assert found_by("ngugi") == ["Ŋgũgĩ"]


@pytest.mark.both_databases
def test_a_number_is_found_however_its_digits_are_grouped(clinic: Clinic) -> None:
    mrn = clinic.scan().patient.mrn
    for typed in (
        mrn[:4],
        f"{mrn[:3]} {mrn[3:6]}-{mrn[6:]}",
        "".join(chr(ord(each) + 0xFEE0) for each in mrn),
    ):
        query = select(Patient.mrn).where(searching.name_or_mrn())
        assert list(db.session.scalars(query, searching.values(typed))) == [mrn], typed


@pytest.mark.both_databases
def test_a_name_of_many_words_is_found_by_all_of_them(clinic: Clinic) -> None:
    name = "Maria da Conceição de Souza e Silva dos Santos Neto"
    clinic.person("patient", name=name)
    assert found_by(name) == found_by("maria da conceicao de souza e silva dos santos neto") == [name]
    assert found_by("santos silva maria") == [name]
    assert found_by(f"{name} Filho") == []


@pytest.mark.both_databases
def test_whoever_changes_the_name_is_found_by_the_new_one_only(clinic: Clinic) -> None:
    user = clinic.person("patient", name="José Müller")
    with transaction():
        update_profile(user, {"name": "Zoë Müller"})
    assert found_by("zoe") == ["Zoë Müller"] and found_by("jose") == []


@pytest.mark.both_databases
def test_names_that_the_release_before_has_written_are_found_after_a_sweep(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows nothing of the plain words: it makes and renames accounts without them."""
    first, second = clinic.person("patient", name="José"), clinic.person("patient", name="Łukasz")
    with transaction() as session:
        session.execute(sa.update(User).where(User.id == first.id).values(name="Zoë"))
        session.execute(sa.delete(SearchName).where(SearchName.user_id == second.id))
    assert found_by("jose") == []
    monkeypatch.setattr(searching, "_next_look", 0.0)
    clean_up()
    assert found_by("zoe") == ["Zoë"] and found_by("lukasz") == ["Łukasz"]
    assert searching.fill_in() == 0


@pytest.mark.both_databases
def test_nothing_of_the_name_is_left_when_somebody_has_been_erased(clinic: Clinic) -> None:
    """Also when the release before erases, which knows of no second copy of the name."""
    user = clinic.person("patient", name="José Núñez")
    with transaction() as session:
        session.execute(sa.update(User).where(User.id == user.id).values(name="Erased patient"))
    assert db.session.scalars(sa.select(SearchName.words).where(SearchName.user_id == user.id)).all() == []


def test_the_migration_makes_the_same_words_as_the_application() -> None:
    (file,) = (MIGRATIONS / "versions").glob("*_search_names.py")
    spec = importlib.util.spec_from_file_location("search_names", file)
    assert spec is not None and spec.loader is not None
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    for name in (*NAMES, *PEOPLE):
        assert migration._plain_words(name) == searching.plain_words(name)


def someone(number: int, name: str) -> User:
    return User(
        email=f"person{number}@csss.example",
        name=name,
        password_hash="!",
        role=Role.DOCTOR,
        state=AccountState.ACTIVE,
    )


def found_by(typed: str) -> list[str]:
    query = select(User.name).where(searching.name_or_email()).order_by(User.name)
    return list(db.session.scalars(query, searching.values(typed)))
