"""Pages take steps through `try_step`: 422 beside the field, 409 with what has happened meanwhile, 429 for too many."""

import ast

import pytest

from csss.paths import ROOT

PAGES = ROOT / "csss" / "web"
REFUSALS = {"Refused", "StateConflict", "Invalid", "Counted", "TooMany", "UsedUp"}
REASON = "# not `try_step`: "


def own_ways(source: str) -> list[int]:
    """The lines that catch a refusal themselves without saying why."""
    lines = source.splitlines()
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler)
        and node.type is not None
        and REFUSALS & {each.rpartition(".")[2] for each in map(ast.unparse, ast.walk(node.type))}
        and REASON not in lines[node.lineno - 1]
    ]


def test_who_catches_a_refusal_by_itself_says_why() -> None:
    files = [file for file in sorted(PAGES.rglob("*.py")) if file != PAGES / "steps.py"]
    assert len(files) > 60
    found = {str(file.relative_to(ROOT)): own_ways(file.read_text("utf-8")) for file in files}
    assert not {file: lines for file, lines in found.items() if lines}


@pytest.mark.parametrize(
    "caught", ["Invalid", "(NotFound, StateConflict) as refusal", "errors.TooMany as why"]
)
def test_the_rule_sees_every_way_of_catching_one(caught: str) -> None:
    source = f"try:\n    pass\nexcept {caught}:\n    pass\n"
    assert own_ways(source) == [3]
    assert not own_ways(source.replace(":\n    pass\n", f":  {REASON}it is one of many\n    pass\n"))
