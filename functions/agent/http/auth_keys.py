"""The issuer's keys: fetched when they are first needed, kept through an outage, fetched again when they change."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit
from jwt import PyJWK, PyJWKClient
from jwt.exceptions import PyJWTError

from functions.agent.request_errors import SigningKeysUnavailable

_logger = logging.getLogger(__name__)
_TIMEOUT_SECONDS: Final = 2
# A key that its issuer has withdrawn is believed for so long at most, while the issuer can be asked.
_FRESH_SECONDS: Final = 300
# And for so long while it cannot: an outage must not make keys eternal.
_MAX_SECONDS: Final = 86_400
# An unknown key may be new, so fetch at once; but at most this often, because a caller can invent key ids.
_BETWEEN_SEARCHES: Final = 10
_BETWEEN_FAILURES: Final = 5


class SigningKeys:
    """The keys of one JWK set, at hand while their issuer cannot be asked.

    The library's own client fetches and reads them. What it does not do is keep them once they are due to be fetched
    again and cannot be, nor spare an issuer that does not answer.

    Args:
        url: Of the JWK set.
        clock: Unix seconds: a process may be frozen, or restored from a snapshot, for longer than keys are good.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=_TIMEOUT_SECONDS)
        self._clock = clock
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched_at = self._tried_at = self._searched_at = -float("inf")

    def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """Return the key of that id and algorithm; None if the issuer has none.

        Raises:
            SigningKeysUnavailable: The issuer could not be asked, and nothing else can say whether it has such a key.
        """
        now = self._clock()
        if now - self._fetched_at > _FRESH_SECONDS:
            self._fetch(now)
        if now - self._fetched_at > _MAX_SECONDS:
            raise SigningKeysUnavailable(_BETWEEN_FAILURES)
        if (key := self._keys.get((kid, algorithm))) is not None:
            return key
        if now > self._fetched_at and now - self._searched_at > _BETWEEN_SEARCHES:
            self._searched_at = now
            self._fetch(now)
        if self._tried_at > self._fetched_at:
            # Not the caller's fault: the key may be one that was published since.
            raise SigningKeysUnavailable(_BETWEEN_FAILURES)
        return self._keys.get((kid, algorithm))

    def _fetch(self, now: float) -> None:
        """Fetch the keys, unless that has just failed; the ones at hand stay until others have come."""
        if self._tried_at > self._fetched_at and now - self._tried_at < _BETWEEN_FAILURES:
            return
        self._tried_at = now
        try:
            found = self._client.get_signing_keys()
        # What the library translates, and what it lets through: no JSON (ValueError), a connection that broke off.
        except (PyJWTError, ValueError, OSError) as error:
            _logger.warning("signing keys were not fetched", extra={"error": type(error).__name__})
            with single_metric("SigningKeysNotFetched", MetricUnit.Count, 1, namespace="HybridMemory") as metric:
                metric.add_dimension("service", os.environ.get("POWERTOOLS_SERVICE_NAME", "agent"))
            return
        self._keys = {(key.key_id, key.algorithm_name): key for key in found if key.key_id}
        self._fetched_at = now
