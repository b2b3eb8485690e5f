"""What `make check` makes of pip-audit's answer: silence is never taken for safety."""

import json

import pytest

from tests.dependencies import read

FINE = {"name": "flask", "version": "3.1.3", "vulns": []}
SKIPPED = {"name": "pillow", "skip_reason": "Dependency not found on PyPI and could not be audited"}
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["12.1"], "aliases": [], "description": ""}
VULNERABLE = {"name": "pillow", "version": "12.0", "vulns": [HOLE]}


def report(*dependencies: dict[str, object]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_known_vulnerability_fails_and_says_what_mends_it() -> None:
    found = read(report(FINE, VULNERABLE))
    assert found.failed
    assert "pillow 12.0: PYSEC-2026-1, mended in 12.1" in found.words()


def test_without_one_nothing_is_shouted() -> None:
    found = read(report(FINE))
    assert not found.failed and "NOT CHECKED" not in found.words()


@pytest.mark.parametrize("answer", [report(SKIPPED, SKIPPED), "", "[]", '{"dependencies": [', report()])
def test_a_service_that_could_not_be_asked_is_no_all_clear(answer: str) -> None:
    found = read(answer)
    assert not found.failed
    assert "NOT CHECKED: the advisory service could not be asked" in found.words()


def test_a_package_that_nobody_knows_is_named() -> None:
    assert (
        "NOT CHECKED, because the advisory service does not know: pillow"
        in read(report(FINE, SKIPPED)).words()
    )
