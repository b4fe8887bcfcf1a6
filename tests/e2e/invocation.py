"""Invokes the deployed functions through the Lambda API, as `aws lambda invoke` does."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.deployment import Aws, Deployment


class Functions:
    """Invokes the functions and checks that they do not fail."""

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._aws = aws
        self._deployment = deployment

    def agent(self, event: Any) -> dict[str, Any]:
        """Invoke the agent function."""
        return self._invoke(self._deployment.agent_function, event)

    def sync(self, event: Any) -> dict[str, Any]:
        """Invoke the sync function."""
        return self._invoke(self._deployment.sync_function, event)

    def _invoke(self, name: str, event: Any) -> dict[str, Any]:
        response = self._aws.functions.invoke(FunctionName=name, Payload=json.dumps(event))
        payload = dict(json.loads(response["Payload"].read()))
        assert "FunctionError" not in response, payload
        return payload
