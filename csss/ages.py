"""Calculate ages: in days below one month, in months below two years, in years from then on."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from csss.i18n import gettext as _
from csss.i18n import ngettext as _n

CHILD_BELOW = 12  # years
MONTHS_BELOW = 24  # a child of 18 months is not "1 year"


class AgeUnit(StrEnum):
    DAYS = "days"
    MONTHS = "months"
    YEARS = "years"


@dataclass(frozen=True)
class Age:
    """Completed units of time."""

    number: int
    unit: AgeUnit

    @property
    def words(self) -> str:
        """In the reader's language: 46 years, 5 months, 1 day."""
        if self.unit is AgeUnit.DAYS:
            return _n("%(num)s day", "%(num)s days", self.number)
        if self.unit is AgeUnit.MONTHS:
            return _n("%(num)s month", "%(num)s months", self.number)
        return _n("%(num)s year", "%(num)s years", self.number)

    @property
    def is_child(self) -> bool:
        """Whether others read and decide for this person: below twelve years."""
        return self.unit is not AgeUnit.YEARS or self.number < CHILD_BELOW

    @property
    def short(self) -> str:
        """For a narrow column: 46 y, 5 mo, 1 d."""
        if self.unit is AgeUnit.DAYS:
            return _("%(days)s d", days=self.number)
        if self.unit is AgeUnit.MONTHS:
            return _("%(months)s mo", months=self.number)
        return _("%(years)s y", years=self.number)


def months_between(born: date, on: date) -> int:
    """The completed months of an age on the date `on`."""
    return (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)


def age_on(born: date, on: date) -> Age:
    """The age on the date `on`. A month is completed on the same day of the next month. If that month has no such
    day, it is completed on the first of the following one: for a birth on 29 February, a year is completed on 1
    March.

    Raises ValueError when `on` is before the birth.
    """
    if on < born:
        raise ValueError("The date lies before the date of birth.")
    months = months_between(born, on)
    if months < 1:
        return Age((on - born) // timedelta(days=1), AgeUnit.DAYS)
    if months < MONTHS_BELOW:
        return Age(months, AgeUnit.MONTHS)
    return Age(months // 12, AgeUnit.YEARS)
