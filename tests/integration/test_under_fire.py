"""A part of the fault matrix, once each on SQLite: enough to see in minutes that a change has broken what it holds.

The whole matrix, twenty times each and on both databases, is `make chaos`.
"""

from collections.abc import Iterator

import pytest

from csss.demo.redis import NoRedisError, redis_server
from tests.chaos import faults_around, faults_of_pages, faults_of_workers  # noqa: F401 - they enter the list
from tests.chaos.matrix import FAULTS
from tests.chaos.world import Chaos, chaos
from tests.conftest import IN_CI
from tests.disks import CannotMount, small_file_system
from tests.integration.jobs import needs_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("under fire"), needs_model]

SECONDS = 30.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """One system for all of them. Skips where there is no Redis, except in CI."""
    try:
        redis_server()
    except NoRedisError as error:
        if IN_CI:
            raise
        pytest.skip(f"{error} Nothing is tried under fire.")
    with chaos(tmp_path_factory.mktemp("chaos"), "sqlite") as world:
        yield world


@pytest.mark.parametrize(
    "name",
    [
        "kill-during-inference",
        "kill-child",
        "redis-restarted",
        "smtp-5xx",
        "smtp-drop",
        "kill-web-pieces",
        "disk-full-upload",
        "same-button",
        "upload-twice",
    ],
)
def test_nothing_is_lost_and_nothing_is_done_twice(
    name: str, world: Chaos, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if name.startswith("disk-full"):
        try:
            with small_file_system(tmp_path_factory.mktemp("probe"), "1m"):
                pass
        except CannotMount as error:
            pytest.skip(str(error))
    try:
        took = FAULTS[name].run(world, 1)
    finally:
        world.put_right()
    assert max(took) < SECONDS
