"""Open lists that refresh themselves wait for one another; whoever opens a page waits for one of them at most."""

import threading

from csss.web.live_region.turns import Turns


class Crowd:
    """Requests that stay inside until they are let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.inside, self.most_inside = turns, 0, 0
        self.go = threading.Semaphore(0)
        self.came_in = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.threads: list[threading.Thread] = []

    def come(self, number: int) -> None:
        new = [threading.Thread(target=self._ask, daemon=True) for _ in range(number)]
        self.threads += new
        for thread in new:
            thread.start()

    def _ask(self) -> None:
        with self.turns.one():
            with self._lock:
                self.inside += 1
                self.most_inside = max(self.most_inside, self.inside)
            self.came_in.release()
            self.go.acquire()
            with self._lock:
                self.inside -= 1

    def let_go(self) -> None:
        for _ in self.threads:
            self.go.release()
        for thread in self.threads:
            thread.join(10)


def test_one_is_answered_at_a_time() -> None:
    crowd = Crowd(Turns(8))
    crowd.come(8)
    assert crowd.came_in.acquire(timeout=10)
    assert not crowd.came_in.acquire(timeout=0.2), "the others wait"
    crowd.let_go()
    assert crowd.most_inside == 1
    assert not any(thread.is_alive() for thread in crowd.threads)


def test_those_who_wait_never_hold_all_threads() -> None:
    crowd = Crowd(Turns(2))
    crowd.come(2)
    assert crowd.came_in.acquire(timeout=10)
    crowd.come(3)
    for _ in range(3):
        assert crowd.came_in.acquire(timeout=10), "beyond two, each goes ahead"
    crowd.let_go()
    assert not any(thread.is_alive() for thread in crowd.threads)


def test_a_request_that_fails_gives_its_turn_back() -> None:
    turns = Turns(1)
    for _ in range(3):
        try:
            with turns.one():
                raise OSError
        except OSError:
            pass
    done = threading.Event()

    def ask() -> None:
        with turns.one():
            done.set()

    threading.Thread(target=ask, daemon=True).start()
    assert done.wait(10)
