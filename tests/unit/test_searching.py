"""Names are found in whatever case they are typed, in every script, and signs mean nothing but themselves."""

import pytest
from sqlalchemy import select

from csss import searching
from csss.auth.models import User
from csss.database import db
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

    def found(text: str) -> list[str]:
        query = select(User.name).where(searching.name_or_email()).order_by(User.name)
        return list(db.session.scalars(query, searching.values(text)))

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
    for nothing in ("élodié", "é*", "é?odie", "[éÉ]lodie", "Ö%l", "ö_il", "é" * 10_000, "a" * 100_000):
        assert found(nothing) == [], nothing[:20]


def test_nothing_typed_asks_for_nothing(clinic: Clinic) -> None:
    assert searching.values("") == searching.values("  ") == {}
