"""Work is handed over through a real Redis, and comes back from whatever is lost there."""

import json
import uuid
import zlib
from datetime import timedelta

import pytest
import redis

from csss.clock import now
from csss.database import transaction
from csss.jobs import queues, runner
from csss.jobs.queues import TIMEOUT, connect, hand_over, rq_queue, waiting_rows
from csss.jobs.sweeper import GRACE, sweep
from csss.outbox import Queue
from csss.scans import analysis
from tests.factories import Clinic
from tests.integration.jobs import change, rows, start_analysis


def test_a_row_is_handed_over_right_after_the_commit(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    assert waiting_rows(Queue.MAIL, queue_server) == {str(row.id)}


def test_nothing_is_handed_over_before_or_without_the_commit(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    doctor = clinic.person("doctor")
    scan_id = clinic.scan().id
    with pytest.raises(ZeroDivisionError), transaction():
        analysis.start(scan_id, by=doctor)
        assert waiting_rows(Queue.INFERENCE, queue_server) == set()
        _ = 1 / 0
    assert waiting_rows(Queue.INFERENCE, queue_server) == set()
    assert rows("analyse_scan") == []


def test_redis_holds_json_and_nothing_but_ids(clinic: Clinic, queue_server: redis.Redis) -> None:
    doctor = clinic.person("doctor", name="Distinctive Name")
    scan_id = clinic.scan(indication="Distinctive indication").id
    with transaction():
        analysis.start(scan_id, by=doctor)
    everything = b""
    jobs = 0
    for key in queue_server.scan_iter("*"):
        kind = queue_server.type(key)
        if kind == b"hash":
            fields: dict[bytes, bytes] = queue_server.hgetall(key)  # type: ignore[assignment]
            data = zlib.decompress(fields.pop(b"data"))
            name, instance, args, kwargs = json.loads(data)  # JSON, never a pickle
            assert (name, instance, kwargs) == (queues.PERFORM, None, {})
            assert [len(each) for each in args] == [36]
            jobs += 1
            everything += data + b" ".join(fields.values())
        elif kind == b"list":
            everything += b" ".join(queue_server.lrange(key, 0, -1))  # type: ignore[arg-type]
    assert jobs == len(rows())
    for told in (b"Distinctive", b"csss.example", doctor.email.encode(), b"\x80\x04", b"\x80\x05"):
        assert told not in everything


def test_every_hand_over_states_how_long_and_keeps_no_result(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    clinic.person("doctor")
    (job,) = rq_queue(Queue.MAIL, queue_server).get_jobs()
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (TIMEOUT[Queue.MAIL], 0, 300)


@pytest.mark.both_databases
def test_the_sweeper_hands_over_what_was_lost(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    queue_server.flushall()
    assert sweep(queue_server) == 0  # it may still be on its way
    change(row, due_at=now() - GRACE - timedelta(seconds=1))
    assert sweep(queue_server) == 1
    assert waiting_rows(Queue.MAIL, queue_server) == {str(row.id)}
    assert sweep(queue_server) == 0


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"leased_until": timedelta(seconds=30)}, id="in a worker's hands"),
        pytest.param({"due_at": timedelta(seconds=30)}, id="not due"),
        pytest.param({"done_at": timedelta()}, id="done"),
        pytest.param({"failed_at": timedelta()}, id="given up"),
        pytest.param({"handed_at": timedelta(seconds=-3)}, id="just handed over"),
    ],
)
def test_the_sweeper_leaves_alone(
    clinic: Clinic, queue_server: redis.Redis, values: dict[str, timedelta]
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    queue_server.flushall()
    change(row, due_at=now() - timedelta(minutes=1))
    change(row, **{name: now() + away for name, away in values.items()})
    assert sweep(queue_server) == 0
    assert waiting_rows(Queue.MAIL, queue_server) == set()


def test_the_sweeper_leaves_alone_what_is_queued(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, due_at=now() - timedelta(hours=1))
    assert sweep(queue_server) == 0
    assert len(rq_queue(Queue.MAIL, queue_server)) == 1


def test_after_a_failure_the_sweeper_waits_for_the_pause_and_no_longer(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    queue_server.flushall()
    change(row, attempts=1, handed_at=now() - timedelta(seconds=3), due_at=now() + timedelta(minutes=1))
    assert sweep(queue_server) == 0
    change(row, due_at=now() - timedelta(milliseconds=1))
    assert sweep(queue_server) == 1


def test_a_row_of_a_dead_worker_is_handed_over_as_soon_as_its_lease_ends(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    start_analysis(clinic)
    (row,) = rows("analyse_scan")
    queue_server.flushall()
    change(
        row, attempts=1, leased_until=now() - timedelta(milliseconds=1), due_at=now() - timedelta(seconds=16)
    )
    assert sweep(queue_server) >= 1
    assert str(row.id) in waiting_rows(Queue.INFERENCE, queue_server)


def test_a_pile_in_one_queue_does_not_hide_what_was_lost_in_another(
    clinic: Clinic, queue_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mail worker runs, its queue is full: an analysis that was lost is still handed over."""
    monkeypatch.setattr("csss.jobs.sweeper.BATCH", 3)
    for _ in range(4):
        clinic.person("doctor")
    for row in rows("send_mail"):
        change(row, due_at=now() - timedelta(hours=1))
    start_analysis(clinic)
    (lost,) = rows("analyse_scan")
    rq_queue(Queue.INFERENCE, queue_server).empty()
    change(lost, due_at=now() - timedelta(minutes=1))
    assert sweep(queue_server) == 1
    assert waiting_rows(Queue.INFERENCE, queue_server) == {str(lost.id)}


def test_two_sweepers_at_once_do_no_harm(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    hand_over(row.id, Queue.MAIL, queue_server)
    assert len(rq_queue(Queue.MAIL, queue_server)) == 2
    for job in rq_queue(Queue.MAIL, queue_server).get_jobs():
        runner.perform(uuid.UUID(job.args[0]))
    assert len(clinic.mail) == 1


def test_while_redis_is_away_pages_go_on_and_nothing_is_lost(clinic: Clinic) -> None:
    """Nothing listens at the address of the tests' Redis."""
    clinic.person("doctor")
    (row,) = rows("send_mail")
    assert row.handed_at is None and row.done_at is None
    with pytest.raises(redis.RedisError):
        change(row, due_at=now() - timedelta(minutes=1))
        sweep(connect(clinic.app.config["CSSS"].redis_url))
