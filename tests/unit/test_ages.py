"""An age is told in days, months or years, as people say it of a newborn, an infant and everybody else."""

from datetime import date

import pytest

from csss.ages import age_on


@pytest.mark.parametrize(
    ("born", "on", "words", "short"),
    [
        (date(2026, 1, 1), date(2026, 1, 1), "0 days", "0 d"),
        (date(2026, 1, 1), date(2026, 1, 2), "1 day", "1 d"),
        (date(2026, 1, 1), date(2026, 1, 31), "30 days", "30 d"),
        (date(2026, 1, 1), date(2026, 2, 1), "1 month", "1 mo"),
        (date(2026, 1, 31), date(2026, 2, 28), "28 days", "28 d"),
        (date(2026, 1, 31), date(2026, 3, 1), "1 month", "1 mo"),
        (date(2025, 12, 15), date(2026, 6, 14), "5 months", "5 mo"),
        (date(2024, 6, 15), date(2026, 6, 14), "23 months", "23 mo"),
        (date(2024, 6, 15), date(2026, 6, 15), "2 years", "2 y"),
        (date(1971, 3, 2), date(2026, 3, 1), "54 years", "54 y"),
        (date(1971, 3, 2), date(2026, 3, 2), "55 years", "55 y"),
        (date(2004, 2, 29), date(2025, 2, 28), "20 years", "20 y"),
        (date(2004, 2, 29), date(2025, 3, 1), "21 years", "21 y"),
    ],
)
def test_an_age_is_told_in_the_unit_that_says_most(born: date, on: date, words: str, short: str) -> None:
    age = age_on(born, on)
    assert (age.words, age.short) == (words, short)


def test_nobody_is_scanned_before_birth() -> None:
    with pytest.raises(ValueError, match="before the date of birth"):
        age_on(date(2026, 1, 2), date(2026, 1, 1))
