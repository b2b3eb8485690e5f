"""The sheet of OWASP ASVS (docs/asvs.toml) and SECURITY.md: nothing is claimed without a test that exists."""

import re
from collections import Counter

import pytest

from tests.asvs import ID, ROOT, Requirement, Sheet, all_tests, read, summary

SECURITY = ROOT / "SECURITY.md"
# How many requirements the standard has of each level (release 5.0.0).
STANDARD = {1: 70, 2: 183, 3: 92}
LEAST_OF_LEVEL_3 = 40
_TEST = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`")


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return read()


def test_the_sheet_knows_the_whole_standard(sheet: Sheet) -> None:
    assert Counter(level for _, level in sheet.all_ids) == STANDARD
    assert [section for section in sheet.levels if not ID.fullmatch(f"{section}.1")] == []


def test_every_row_is_a_requirement_of_the_standard_once_and_in_order(sheet: Sheet) -> None:
    ids = [row.id for row in sheet.rows]
    assert [one for one, number in Counter(ids).items() if number > 1] == []
    assert [(row.id, row.level) for row in sheet.rows if sheet.level_of(row.id) != row.level] == []
    assert ids == sorted(ids, key=lambda one: [int(number) for number in one[1:].split(".")])


def test_all_of_levels_1_and_2_are_there_and_enough_of_level_3(sheet: Sheet) -> None:
    there = {row.id for row in sheet.rows}
    assert [one for one, level in sheet.all_ids if level < 3 and one not in there] == []
    assert sum(row.level == 3 and row.applies for row in sheet.rows) >= LEAST_OF_LEVEL_3


def test_every_row_says_what_it_has_to(sheet: Sheet) -> None:
    for row in sheet.rows:
        assert row.text and len(row.text) < 140 and "Verify that" not in row.text, row.id
        if row.applies:
            assert row.where and not row.why, f"{row.id}: say where to look"
            assert row.tests or row.gap or row.pending, f"{row.id}: neither a test nor an honest gap"
        else:
            assert row.why and not (row.tests or row.gap or row.pending), (
                f"{row.id}: say why it does not apply"
            )
        for reason in (row.gap, row.why):
            assert not reason or len(reason) > 10, f"{row.id}: say more"


def test_every_test_that_is_named_exists(sheet: Sheet) -> None:
    """In the source, without running it; a row that waits for a branch may name what that will bring."""
    for row in sheet.rows:
        assert len(set(row.tests)) == len(row.tests), row.id
        assert row.pending or not row.missing, f"{row.id} names {row.missing}"


def test_every_file_that_is_named_exists(sheet: Sheet) -> None:
    for row in sheet.rows:
        for place in row.where:
            assert row.pending or (ROOT / place.partition("#")[0]).exists(), f"{row.id} names {place}"


def test_most_of_it_is_met(sheet: Sheet) -> None:
    """Of what applies at levels 1 and 2 nine of ten, however honest the gaps are."""
    basic = [row for row in sheet.rows if row.applies and row.level < 3]
    assert sum(row.state == "gap" for row in basic) <= len(basic) / 10
    assert [row.id for row in basic if row.level == 1 and row.state == "gap" and not row.tests] == []


# What is written down


def _sections(text: str) -> dict[str, str]:
    """The text below each heading, by the anchor that links use."""
    parts = re.split(r"^#{1,3} (.+)$", text, flags=re.MULTILINE)
    names = [re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in parts[1::2]]
    return dict(zip(names, parts[2::2], strict=True))


def test_what_is_said_to_be_written_down_stands_there(sheet: Sheet) -> None:
    """A row that points to a part of a document: the part is there and says something."""
    seen = 0
    for row in sheet.rows:
        for file, _, anchor in (place.partition("#") for place in row.where):
            if anchor:
                seen += 1
                found = _sections((ROOT / file).read_text("utf-8"))
                assert len(found.get(anchor, "")) > 300, f"{row.id}: nothing is written at {file}#{anchor}"
    assert seen > 20


def test_every_promise_names_its_test() -> None:
    """A line of the table without one is no promise; one that a branch brings is marked so."""
    promises = [
        line
        for line in _sections(SECURITY.read_text("utf-8"))["what-we-promise"].splitlines()
        if line.startswith("| ") and not line.startswith(("| promise", "| ---"))
    ]
    assert len(promises) > 15
    for line in promises:
        named = _TEST.findall(line)
        assert named, line
        waits = re.search(r"\(comes with `(\w+)`\)", line)
        assert waits or set(named) <= all_tests(), f"{set(named) - all_tests()} in {line}"


def test_security_md_says_what_people_look_for() -> None:
    found = _sections(SECURITY.read_text("utf-8"))
    for heading in (
        "reporting-a-vulnerability",
        "supported-versions",
        "threat-model",
        "what-you-have-to-do",
        "out-of-scope",
    ):
        assert len(found.get(heading, "")) > 100, heading
    assert len(found["threat-model"].split()) < 600, "the threat model is one page"


def test_the_summary_counts_and_names_what_is_missing() -> None:
    rows = (
        Requirement(
            id="V1.1.1", level=2, text="One", applies=True, where=("csss",), tests=tuple(all_tests())[:1]
        ),
        Requirement(
            id="V1.1.2", level=2, text="Two", applies=True, where=("csss",), gap="Nobody has built it."
        ),
        Requirement(
            id="V1.2.1", level=1, text="Three", applies=True, where=("csss",), pending="some: branch"
        ),
        Requirement(id="V1.2.2", level=1, text="Four", applies=False, why="There is none."),
    )
    text = summary(Sheet({"V1.1": "22", "V1.2": "11"}, rows))
    level_1, level_2 = (re.findall(r"\d+", line)[1:] for line in text.splitlines()[1:3])
    assert level_1 == ["0", "1", "0", "1", "2", "2"] and level_2 == ["1", "0", "1", "0", "2", "2"]
    assert "V1.1.2   (level 2) Two: Nobody has built it." in text and "some: branch" in text
