"""The functions' client of SQS. Importing this module takes a fifth of a cold start."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import get_session

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient  # a development package


class _SqsLoader(Loader):
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        """Return only SQS. botocore's loader would search the folders of all services twice for each client."""
        return ["sqs"]


def sqs_client() -> SQSClient:
    """Return a client with short timeouts: a request waits for SQS, and other stores can take the exchange.

    It is the same client as boto3's. Only boto3's own imports (resources, the transfers of S3) are left out.
    """
    config = Config(
        connect_timeout=0.5,
        read_timeout=1,
        retries={"mode": "standard", "total_max_attempts": 2},
        # SQS validates the parameters itself, and mypy checks these calls.
        parameter_validation=False,
        tcp_keepalive=True,
    )
    session = get_session()
    session.register_component("data_loader", _SqsLoader())
    return cast("SQSClient", session.create_client("sqs", config=config))
