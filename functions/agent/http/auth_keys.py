"""The issuer's signing keys. They are fetched at first use, refreshed, and used during the issuer's outages."""

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
# The keys are fetched again after this time. Until then, a key that the issuer has withdrawn is accepted.
_REFRESH_SECONDS: Final = 300
# If the issuer does not respond, the keys are accepted for this time.
_MAX_AGE_SECONDS: Final = 86_400
# An unknown key id causes a fetch, because the key may be new. This is the minimum time between two such fetches,
# because callers can send any key id.
_SEARCH_INTERVAL_SECONDS: Final = 10
_RETRY_INTERVAL_SECONDS: Final = 5


class SigningKeys:
    """The keys of one JWK set, usable while their issuer does not respond.

    The library's client fetches and parses the keys. This class keeps the keys while the issuer does not respond, and
    limits the requests to the issuer.

    Args:
        url: The URL of the JWK set.
        clock: Unix seconds. It must not be a monotonic clock, which may not count the time while the process is frozen
            or stored in a snapshot.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=_TIMEOUT_SECONDS)
        self._clock = clock
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched_at = self._tried_at = self._searched_at = -float("inf")

    def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """Return the key with this id and algorithm; None if the issuer has none.

        Raises:
            SigningKeysUnavailable: The issuer did not respond, and the key is unknown here or the known keys are too
                old.
        """
        now = self._clock()
        if now - self._fetched_at > _REFRESH_SECONDS:
            self._fetch(now)
        if now - self._fetched_at > _MAX_AGE_SECONDS:
            raise SigningKeysUnavailable(_RETRY_INTERVAL_SECONDS)
        if (key := self._keys.get((kid, algorithm))) is not None:
            return key
        if now > self._fetched_at and now - self._searched_at > _SEARCH_INTERVAL_SECONDS:
            self._searched_at = now
            self._fetch(now)
        if self._tried_at > self._fetched_at:
            # This is not the caller's error, because the issuer may have published this key since the last fetch.
            raise SigningKeysUnavailable(_RETRY_INTERVAL_SECONDS)
        return self._keys.get((kid, algorithm))

    def _fetch(self, now: float) -> None:
        """Fetch the keys, unless a fetch has just failed. The current keys stay until a fetch succeeds."""
        if self._tried_at > self._fetched_at and now - self._tried_at < _RETRY_INTERVAL_SECONDS:
            return
        self._tried_at = now
        try:
            signing_keys = self._client.get_signing_keys()
        # The library translates some errors and passes others through: malformed JSON (ValueError), a lost connection.
        except (PyJWTError, ValueError, OSError) as error:
            _logger.warning("signing keys were not fetched", extra={"error": type(error).__name__})
            with single_metric("SigningKeysNotFetched", MetricUnit.Count, 1, namespace="HybridMemory") as metric:
                metric.add_dimension("service", os.environ.get("POWERTOOLS_SERVICE_NAME", "agent"))
            return
        self._keys = {(key.key_id, key.algorithm_name): key for key in signing_keys if key.key_id}
        self._fetched_at = now
