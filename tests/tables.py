"""Tests that look at every row of a table."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any


def for_each(names: str, rows: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make one test of all `rows`, which tells every row that fails, as `pytest.mark.parametrize` makes one of each.

    For tables of hundreds of rows that take no time: each test of its own takes all processes of a run some milliseconds,
    however little it does. Every row shares what the test's fixtures have made.
    """
    given = [name.strip() for name in names.split(",")]
    table = list(rows)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def test_all(**fixtures: Any) -> None:
            failures = []
            for row in table:
                values = dict(zip(given, row if len(given) > 1 else (row,), strict=True))
                try:
                    test(**fixtures, **values)
                except Exception as error:
                    error.add_note(f"with {values}")
                    failures.append(error)
            assert table, "the table is empty"
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(table)} rows failed", failures)

        whole = inspect.signature(test)
        rest = [each for name, each in whole.parameters.items() if name not in given]
        test_all.__signature__ = whole.replace(parameters=rest)  # type: ignore[attr-defined]
        return test_all

    return decorate
