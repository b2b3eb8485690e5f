"""A worker that is told to stop stops, whatever it is at."""

import os
import signal
from collections.abc import Iterator

import pytest
import redis
import sqlalchemy as sa
from rq.serializers import JSONSerializer

from csss.database import db
from csss.jobs import worker as workers
from csss.jobs.queues import rq_queue
from csss.jobs.worker import SweepingWorker
from csss.outbox import Queue
from tests.factories import Clinic


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("times", [1, 2])
def test_told_so_in_the_middle_of_a_sweep_it_takes_no_further_job(
    clinic: Clinic,
    queue_server: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    """The signal comes while the database works, and whatever is raised there looks like an error of the database."""

    def told_to_stop() -> int:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGTERM)
        return 1

    def sweep(_: redis.Redis) -> int:
        db.session.connection().connection.driver_connection.create_function("signal", 0, told_to_stop)  # type: ignore[union-attr]
        return int(db.session.execute(sa.text("SELECT signal()")).scalar_one())

    clinic.scan()
    monkeypatch.setattr(workers, "sweep", sweep)
    queue = rq_queue(Queue.INFERENCE, queue_server)
    queue.enqueue("nothing.that.is.there")
    worker = SweepingWorker(
        [queue], connection=queue_server, serializer=JSONSerializer, app=clinic.app, queue=Queue.INFERENCE
    )
    assert worker.work(burst=True, logging_level="WARNING") is False, "it has done another job"
    assert len(queue) == 1 and worker.told_to_stop
