"""`make bench-recall RECALL=directory` runs `python -m tests.recall directory`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.operations import Operations
from functions.derive.vectors import VectorDerivation
from infra.local.servers import PostgresServer, ValkeyServer
from infra.migrations import upgrade
from shared.embeddings import Embedders
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.settings import AgentSettings, DatabaseSettings, MemorySettings, RedisSettings, SearchSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.testing import InMemoryQueue
from tests.recall.data import read_users
from tests.recall.measure import measure
from tests.support.api import Api


def main() -> int:
    """Print a line of scores for each data set; return 2 if there is none."""
    parser = argparse.ArgumentParser(prog="python -m tests.recall", description=__doc__)
    parser.add_argument("directory", type=Path, help="the directory with the data sets: *.jsonl.gz")
    parser.add_argument("--embeddings", default="off", help="a value of SEARCH__EMBEDDINGS (off)")
    arguments = parser.parse_args()
    paths = sorted(arguments.directory.glob("*.jsonl.gz"))
    if not paths:
        sys.stderr.write("The directory has no file *.jsonl.gz.\n")
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-recall-") as name,
        PostgresServer(Path(name) / "postgres") as postgres,
        ValkeyServer(Path(name) / "valkey") as valkey,
    ):
        upgrade(postgres.url)
        embedders = Embedders(SearchSettings(embeddings=arguments.embeddings))
        embedder = embedders.configured
        archive, api = _start(postgres.url, valkey.port, embedders)
        derivation = None if embedder is None else VectorDerivation(archive, embedder)
        for path in paths:
            means = measure(api, archive, read_users(path), derivation).means()
            figures = "  ".join(f"{label} {value:.3f}" for label, value in means.items())
            sys.stdout.write(f"{path.name.removesuffix('.jsonl.gz')}: {figures}\n")
            sys.stdout.flush()
    return 0


def _start(database_url: str, redis_port: int, embedders: Embedders) -> tuple[PostgresArchive, Api]:
    """Return the stores and the API of a process."""
    archive = PostgresArchive(PostgresConnection(DatabaseSettings(url=database_url, timeout_ms=30_000)))
    archive.heartbeat()
    cache = RedisCache(RedisConnection(RedisSettings(host="127.0.0.1", port=redis_port)), MemorySettings())
    cache.record_loss(is_first=True)
    queue = InMemoryQueue()
    memory = Memory(cache, archive, queue, MemorySettings())
    runner = AgentRunner(AgentSettings(model="offline"), Search(memory).conversations)
    keys = Idempotency([], Backlog(queue, archive))
    operations = Operations(memory, runner, keys, cast("Any", None), search=Search(memory, embedders))
    return archive, Api(create_app(operations), cast("Any", None), cast("Any", None), queue)


if __name__ == "__main__":
    sys.exit(main())
