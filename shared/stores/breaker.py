"""A circuit breaker. If a store hangs, only one request waits for the timeout; later requests skip the store."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import StoreUnavailable

_logger = logging.getLogger(__name__)


class CircuitBreaker:
    """Skips a store after its first failure, and detects the store's recovery by probes in a separate thread.

    While the circuit is open, a request starts a probe with its own connection, and waits `grace` seconds for it. At
    most one probe runs at a time, and at most one probe starts per `probe_interval`. A recovered store responds within
    `grace`, so the first request after the recovery uses the store. A store that still hangs delays a request by at
    most `grace`.

    A probe must test as much as the call that failed. If that call can be repeated safely, the probe repeats the call.

    Args:
        layer: The store's name in `degraded`.
        probe: Raises if the store does not work; limited by the store's own timeout.
        probe_interval: Minimum seconds between the starts of two probes.
        grace: Seconds that a request waits for the probe that it started.
    """

    def __init__(
        self, layer: str, probe: Callable[[], object], *, probe_interval: float = 0.2, grace: float = 0.02
    ) -> None:
        self.layer = layer
        self._default_probe = self._probe = probe
        self._interval = probe_interval
        self._grace = grace
        self._lock = threading.Lock()
        self._open = False
        self._last_probe = -math.inf
        self._probing: threading.Thread | None = None
        self.outages = 0

    @property
    def is_open(self) -> bool:
        """Whether requests skip the store."""
        return self._open

    @contextmanager
    def guard(self, failures: tuple[type[Exception], ...], probe: Callable[[], object] | None = None) -> Iterator[None]:
        """Run a call to the store; any of `failures` opens the circuit.

        Args:
            failures: The errors that open the circuit. A `StoreUnavailable` is raised again without a change.
            probe: The check that must succeed before the circuit closes again, if this call opens it.

        Raises:
            StoreUnavailable: The circuit is open, or the call failed with one of `failures`.
        """
        if self._open and not self._close_circuit():
            raise StoreUnavailable(self.layer, "circuit open")
        try:
            yield
        except failures as error:
            self._open_circuit(error, probe)
            if isinstance(error, StoreUnavailable):
                raise
            raise StoreUnavailable(self.layer, type(error).__name__) from error

    def _open_circuit(self, error: Exception, probe: Callable[[], object] | None = None) -> None:
        with self._lock:
            if not self._open:
                self._probe = probe or self._default_probe
                self._open = True
                self.outages += 1
                # This request starts no probe. The next request starts the first one.
                self._last_probe = -math.inf
                _logger.warning("circuit opened", extra={"layer": self.layer, "error": type(error).__name__})

    def _close_circuit(self) -> bool:
        with self._lock:
            is_due = time.monotonic() - self._last_probe >= self._interval
            if not is_due or (self._probing is not None and self._probing.is_alive()):
                # A probe is running, or none is due. Only the request that starts a probe waits for it.
                return not self._open
            self._last_probe = time.monotonic()
            probing = self._probing = threading.Thread(target=self._run_probe, name=f"probe-{self.layer}", daemon=True)
            probing.start()
        probing.join(self._grace)
        return not self._open

    def _run_probe(self) -> None:
        try:
            self._probe()
        except Exception as error:  # noqa: BLE001 - any error means that the store does not work
            _logger.debug("probe failed", extra={"layer": self.layer, "error": type(error).__name__})
            return
        with self._lock:
            self._open = False
            self._probe = self._default_probe
        _logger.info("circuit closed", extra={"layer": self.layer})
