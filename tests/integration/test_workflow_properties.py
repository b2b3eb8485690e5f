"""Random people do random things in random order; whatever they try, the life of a scan keeps its rules.

The services are asked directly: they say when something may be done. Who may do it is the matter of the routes
(tests/rules/routes.py), so here everybody tries everything.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from csss.database import db
from csss.jobs import report_jobs
from csss.scans.states import NEXT, Status
from tests.integration.stories import Attempt, Known, Story
from tests.integration.world import (
    APPEND_ONLY,
    Snapshot,
    World,
    changed_tables,
    postgres_world,
    rows_of,
    sqlite_world,
)

ORDER = list(Status)


@pytest.fixture(scope="module", autouse=True)
def no_typesetting() -> Iterator[None]:
    """The report's context is made for real; setting it in type takes too long for hundreds of reports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            report_jobs.printing,
            "print_in_job",
            lambda context, env: b"%PDF-1.7 " + context.report_id.encode(),
        )
        yield


@pytest.fixture(scope="module")
def on_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sqlite_world(tmp_path_factory.mktemp("world"), migrated_sqlite) as world:
        yield world


@pytest.fixture(scope="module")
def on_postgres(migrated_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with postgres_world(tmp_path_factory.mktemp("world"), migrated_postgres) as world:
        yield world


def check(scans: list[Known], before: Snapshot, after: Snapshot, allowed: bool) -> None:
    """What holds after every attempt, done or refused."""
    if not allowed:
        assert changed_tables(before, after) <= {"audit_events", "audit_seals"}, (
            "a refused action changed something"
        )
    for table in APPEND_ONLY:
        for key, row in before[table].items():
            assert after[table].get(key) == row, f"a row of {table} was changed or removed"
    for known in scans:
        check_scan(known, before, after)
        if rows_of(before, "scan_closures", known.id):
            check_rests(known.id, before, after)


def check_scan(known: Known, before: Snapshot, after: Snapshot) -> None:
    status = Status(after["scans"][known.id.hex]["status"])
    old = before["scans"].get(known.id.hex)
    assert old is None or status in {Status(old["status"]), NEXT[Status(old["status"])]}
    assert status is known.status
    reached = ORDER.index(status)
    events = rows_of(after, "scan_events", known.id, "at")
    assert [event["became"] for event in events] == ORDER[: reached + 1]
    assert [event["was"] for event in events] == [None, *ORDER[:reached]]
    assert [event["actor_id"] for event in events] == [by.hex for by in known.steps]
    predictions = rows_of(after, "predictions", known.id)
    reviews = rows_of(after, "reviews", known.id, "version")
    prescribed = rows_of(after, "prescriptions", known.id, "version")
    assert len(predictions) == (reached >= 1)
    assert bool(reviews) == (reached >= 2)
    assert bool(prescribed) == (reached >= 3)
    if predictions and (predictions[0]["uncertain"] or not predictions[0]["available"]):
        assert all(review["diagnosis"] and review["read_myself"] for review in reviews)
    if predictions and predictions[0]["label"] == "NIH_MERGED":
        assert all(review["diagnosis"] for review in reviews)
    corrected = rows_of(after, "kind_corrections", known.id, "version")
    assert [each["version"] for each in corrected] == list(range(1, known.kinds + 1))
    assert after["scans"][known.id.hex]["kind"] == (corrected[-1]["became"] if corrected else "chest_xray")
    for versions in (reviews, prescribed):
        assert [each["version"] for each in versions] == list(range(1, len(versions) + 1))
    runs = rows_of(after, "analysis_runs", known.id)
    assert sum(run["state"] in {"queued", "running"} for run in runs) == known.running
    holds = rows_of(after, "scan_holds", known.id)
    assert [hold["to"] for hold in holds if hold["lifted_at"] is None] == ([known.hold] if known.hold else [])
    approvals = rows_of(after, "approvals", known.id)
    reports_made = rows_of(after, "report_versions", known.id, "version")
    assert len(approvals) == (status is Status.REPORT_READY)
    assert [each["version"] for each in reports_made] == list(range(1, len(reports_made) + 1))
    assert len(reports_made) <= (1 + known.addenda if approvals else 0)
    assert bool(rows_of(after, "scan_closures", known.id)) == known.closed


def check_rests(scan_id: uuid.UUID, before: Snapshot, after: Snapshot) -> None:
    """A closed scan stays as it is; only the machine's own runs may still end."""
    assert before["scans"][scan_id.hex] == after["scans"][scan_id.hex]
    for table in (*APPEND_ONLY, "scan_holds"):
        if table not in {"audit_events", "audit_seals", "prescription_items"}:
            assert rows_of(before, table, scan_id) == rows_of(after, table, scan_id), (
                f"a closed scan moved: {table}"
            )


ACTIONS = (
    *("forward",) * 10,
    *(
        "upload",
        "start",
        "finish",
        "fail",
        "fail",
        "read_without",
        "verify",
        "correct_review",
        "correct_kind",
        "correct_kind",
        "close",
        "complete",
    ),
    *("correct_prescription", "hold", "hold", "lift", "approve", "addendum", "priority", "render"),
)
attempts = st.lists(
    st.builds(
        Attempt,
        what=st.sampled_from(ACTIONS),
        who=st.integers(0, 7),
        scan=st.integers(0, 1),
        variant=st.sampled_from((0, 0, 0, 0, 1, 1, 2, 3)),
    ),
    min_size=25,
    max_size=40,
)


# Through everything that chance seldom reaches.
A_LONG_WAY = (
    *(
        ("start", 2, 0),
        ("fail", 2, 0),
        ("read_without", 2, 1),
        ("start", 3, 0),
        ("fail", 3, 0),
        ("fail", 3, 0),
    ),
    *(("read_without", 2, 1), ("verify", 2, 2), ("verify", 2, 3), ("hold", 6, 1), ("complete", 4, 0)),
    *(
        ("correct_review", 3, 2),
        ("correct_review", 3, 0),
        ("lift", 6, 0),
        ("complete", 4, 1),
        ("approve", 6, 3),
    ),
    *(("hold", 7, 0), ("correct_prescription", 5, 0), ("approve", 6, 0), ("lift", 7, 0), ("approve", 6, 0)),
    *(("addendum", 2, 0), ("render", 0, 0), ("addendum", 2, 0), ("render", 0, 0), ("close", 2, 0)),
    *(("priority", 2, 0), ("correct_kind", 2, 0)),
)


def tell_stories(world: World, number: int) -> Counter[tuple[str, bool]]:
    """That many random stories; how often each thing was done and was refused in all of them."""
    tried: Counter[tuple[str, bool]] = Counter()

    @trying(
        max_examples=number,
        # Shortening a story that fails replays it for minutes: add Phase.shrink when you have one to understand.
        phases=(Phase.explicit, Phase.generate),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(attempts=attempts)
    @example(attempts=[Attempt(what, who, 0, variant) for what, who, variant in A_LONG_WAY])
    def tell(attempts: list[Attempt]) -> None:
        world.reset()
        story = Story(world, check)
        for attempt in [Attempt("upload", 0, 0, 0), *attempts]:
            story.tell(attempt)
        tried.update(story.tried)
        db.session.remove()

    tell()
    return tried


def test_a_scan_keeps_its_rules_whatever_people_try(on_sqlite: World) -> None:
    tried = tell_stories(on_sqlite, 30)
    never = {(what, done) for what in ACTIONS if what != "forward" for done in (True, False)} - set(tried)
    assert not never, f"the stories prove nothing about {never}"


@pytest.mark.postgres
def test_and_so_it_does_on_postgresql(on_postgres: World) -> None:
    assert tell_stories(on_postgres, 6)["verify", True]
