"""Numbers and addresses of people."""

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from csss.auth.accounts import check_digit, normal_email
from csss.errors import Invalid
from tests.factories import Clinic

DIGITS = st.text("0123456789", min_size=8, max_size=8)


@pytest.mark.parametrize(
    ("digits", "expected"), [("7992739871", "3"), ("1789372997", "4"), ("00000000", "0")]
)
def test_the_check_digit_is_that_of_luhn(digits: str, expected: str) -> None:
    assert check_digit(digits) == expected


@trying(max_examples=200, deadline=None, derandomize=True, database=None)
@given(digits=DIGITS, place=st.integers(0, 7), other=st.sampled_from("0123456789"))
def test_every_mistyped_digit_is_caught(digits: str, place: int, other: str) -> None:
    mistyped = digits[:place] + other + digits[place + 1 :]
    assert (check_digit(mistyped) == check_digit(digits)) == (mistyped == digits)


def test_a_patient_gets_a_number_that_tells_nothing(clinic: Clinic) -> None:
    numbers = [clinic.person("patient").patient.mrn for _ in range(5)]  # type: ignore[union-attr]
    assert len(set(numbers)) == 5
    for mrn in numbers:
        assert len(mrn) == 9 and mrn.isdigit()
        assert check_digit(mrn[:-1]) == mrn[-1]


@pytest.mark.parametrize("typed", ["Anna@CSSS.Example", "  anna@csss.example\n"])
def test_an_address_has_one_form(typed: str) -> None:
    assert normal_email(typed) == "anna@csss.example"


@pytest.mark.parametrize(
    "typed", ["", "anna", "anna@", "@csss.example", "a b@csss.example", "anna@csss.example\nBcc: x@y.z"]
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        normal_email(typed)
    assert set(refused.value.errors) == {"email"}
