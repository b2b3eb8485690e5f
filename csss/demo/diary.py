"""When things happen in the demo: in working hours, and never two in the same minute."""

import random
from datetime import UTC, datetime, time, timedelta, tzinfo

MINUTE = timedelta(minutes=1)


class Diary:
    """Gives out moments; each minute once."""

    def __init__(self, zone: tzinfo, today: datetime, chance: random.Random) -> None:
        self._zone, self._today, self._chance = zone, today, chance
        self._taken: set[datetime] = set()

    def free(self, moment: datetime) -> datetime:
        """This moment, or the next one in a minute in which nothing has happened yet."""
        while (minute := moment.replace(second=0, microsecond=0)) in self._taken:
            moment += MINUTE
        self._taken.add(minute)
        return moment

    def morning(self, days_ago: int) -> datetime:
        """A moment between eight and half past eleven in the hospital, on a day before today."""
        day = (self._today.astimezone(self._zone) - timedelta(days=days_ago)).date()
        begin = datetime.combine(day, time(8), self._zone).astimezone(UTC)
        return self.free(begin + timedelta(seconds=self._chance.uniform(0, 3.5 * 3600)))

    def later(self, moment: datetime, minutes: float) -> datetime:
        """A wait of about so many minutes: most are shorter, a few twice as long."""
        wait = minutes * min(self._chance.lognormvariate(0, 0.5), 2.0)
        return self.free(moment + timedelta(minutes=max(wait, 1.5)))
