"""A failure opens the circuit breaker. A probe in its own thread closes it, and only one probe runs at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from shared.errors import StoreUnavailable
from shared.stores.breaker import CircuitBreaker


class Store:
    """A store that may fail or hang."""

    def __init__(self) -> None:
        self.is_down = False
        self.may_respond = threading.Event()
        self.may_respond.set()
        self.calls = 0
        self.probes = 0
        self.running_probes = 0
        self.max_running_probes = 0
        self._lock = threading.Lock()

    def call(self) -> str:
        """Respond, or fail."""
        self.calls += 1
        if self.is_down:
            raise ConnectionError
        return "answer"

    def probe(self) -> None:
        """Hang until the store responds."""
        with self._lock:
            self.probes += 1
            self.running_probes += 1
            self.max_running_probes = max(self.max_running_probes, self.running_probes)
        try:
            assert self.may_respond.wait(30)
            if self.is_down:
                raise ConnectionError
        finally:
            with self._lock:
                self.running_probes -= 1


@pytest.fixture
def store() -> Store:
    """Return a store that responds."""
    return Store()


def _call(breaker: CircuitBreaker, store: Store) -> str:
    with breaker.guard((ConnectionError,)):
        return store.call()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.001)


def _fail_once(breaker: CircuitBreaker, store: Store) -> None:
    store.is_down = True
    with pytest.raises(StoreUnavailable):
        _call(breaker, store)
    assert breaker.is_open


def test_a_closed_circuit_passes_calls(store: Store) -> None:
    """A closed circuit passes calls on to the store and starts no probes."""
    breaker = CircuitBreaker("redis", store.probe)
    assert [_call(breaker, store) for _ in range(3)] == ["answer"] * 3
    assert (breaker.is_open, breaker.outages, store.probes) == (False, 0, 0)


def test_one_failure_opens_the_circuit(store: Store) -> None:
    """One failure opens the circuit. Later requests do not reach the store, and their error names the layer."""
    breaker = CircuitBreaker("redis", store.probe, probe_interval=0)
    _fail_once(breaker, store)
    for _ in range(5):
        with pytest.raises(StoreUnavailable) as caught:
            _call(breaker, store)
        assert caught.value.layer == "redis"
    assert (store.calls, breaker.outages) == (1, 1)


def test_other_errors_leave_the_circuit_closed(store: Store) -> None:
    """Errors other than outages reach the caller and leave the circuit closed."""
    breaker = CircuitBreaker("redis", store.probe)
    with pytest.raises(KeyError), breaker.guard((ConnectionError,)):
        raise KeyError
    assert not breaker.is_open


def test_a_successful_probe_closes_the_circuit(store: Store) -> None:
    """A successful probe closes the circuit, so the first request after an outage uses the store."""
    breaker = CircuitBreaker("redis", store.probe, probe_interval=0, grace=20)
    _fail_once(breaker, store)
    store.is_down = False
    assert _call(breaker, store) == "answer"
    assert (breaker.is_open, store.probes) == (False, 1)


def test_a_hanging_probe_does_not_delay_requests(store: Store) -> None:
    """If the store hangs, the probe hangs in its own thread, and each request continues without the store."""
    breaker = CircuitBreaker("redis", store.probe, probe_interval=0, grace=0)
    _fail_once(breaker, store)
    store.may_respond.clear()
    for _ in range(20):
        with pytest.raises(StoreUnavailable, match="circuit open"):
            _call(breaker, store)
    assert (store.calls, store.probes) == (1, 1)
    store.is_down = False
    store.may_respond.set()
    _wait_until(lambda: not breaker.is_open)
    assert _call(breaker, store) == "answer"


def test_a_failed_probe_is_repeated_after_an_interval(store: Store) -> None:
    """After a failed probe, the breaker waits for the probe interval before it starts the next probe."""
    breaker = CircuitBreaker("redis", store.probe, probe_interval=3_600, grace=20)
    _fail_once(breaker, store)
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            _call(breaker, store)
    assert store.probes == 1


def test_each_outage_opens_the_circuit_and_is_counted(store: Store) -> None:
    """Each outage opens the circuit again and is counted. The first probe of an outage starts without a pause."""
    breaker = CircuitBreaker("redis", store.probe, probe_interval=3_600, grace=20)
    for outage in (1, 2, 3):
        _fail_once(breaker, store)
        assert breaker.outages == outage
        store.is_down = False
        assert _call(breaker, store) == "answer"


def test_concurrent_requests_share_one_probe(store: Store) -> None:
    """Concurrent requests share one probe. Requests use the store again after the probe has succeeded."""
    breaker = CircuitBreaker("redis", store.probe, probe_interval=0, grace=0.001)
    _fail_once(breaker, store)
    store.may_respond.clear()
    results: list[str] = []

    def request() -> None:
        for _ in range(20):
            try:
                results.append(_call(breaker, store))
            except StoreUnavailable:
                results.append("skipped")

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["skipped"] * 160
    assert (store.max_running_probes, store.calls) == (1, 1)
    store.is_down = False
    store.may_respond.set()
    _wait_until(lambda: not breaker.is_open)
    assert _call(breaker, store) == "answer"


def test_concurrent_failures_are_one_outage(store: Store) -> None:
    """Concurrent requests that fail at the same time open the circuit only once."""
    breaker = CircuitBreaker("redis", store.probe)
    gate = threading.Barrier(6)

    def fail() -> None:
        with breaker.guard((ConnectionError,)):
            gate.wait(20)
            raise ConnectionError

    def request() -> None:
        with pytest.raises(StoreUnavailable):
            fail()

    threads = [threading.Thread(target=request) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.outages == 1
