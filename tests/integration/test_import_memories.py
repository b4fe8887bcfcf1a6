"""`users export` and `import` move what a user has set to another user, on real stores and through the real API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.operations import Operations
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.memory.threads import Threads
from shared.settings import AgentSettings
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.inspector import RedisInspector
from shared.testing import InMemoryKeys, InMemoryQueue
from shared.testing.inspectors import InMemoryQueueInspector
from tests.support.api import Api
from tests.support.exchanges import exchange
from tests.support.fake_api import use_fake_api
from tests.support.learning import learn


@dataclass
class Deployment:
    """The command line and the API of one deployment. The file `export` has Ana's export."""

    memory: Memory
    queue: InMemoryQueue
    memories: LearnedMemories
    export: Path

    def run(self, *words: str) -> Result:
        """Run a command."""
        return CliRunner().invoke(app, words)

    def current(self, user_id: str) -> list[tuple[str, str]]:
        """Return the source and the text of each current memory."""
        return [(each["source"], each["text"]) for each in self.memories.list_for(user_id).items]

    def explicit(self, user_id: str) -> list[tuple[str, str | None, str]]:
        """Return each current explicit memory: its kind, its key and its text."""
        items = self.memories.list_for(user_id).items
        return [(each["kind"], each.get("key"), each["text"]) for each in items if each["source"] == "explicit"]


@pytest.fixture
def deployment(
    process: Callable[..., Memory], queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Deployment:
    """Return a deployment in which Ana said where she lives, and set and corrected memories."""
    memory = process()
    inspector = InMemoryQueueInspector(queue)
    inspection = Inspection(memory, RedisInspector(cast("RedisCache", memory.cache)._connection), inspector, inspector)
    runner = AgentRunner(AgentSettings(model="offline"), Search(memory).conversations)
    keys = Idempotency([InMemoryKeys("redis"), InMemoryKeys("postgres")], Backlog(memory.queue, memory.archive))
    application = create_app(Operations(memory, runner, keys, inspection))
    api = Api(application, cast("Any", None), cast("Any", None), queue)

    def forward(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix("/prod")
        answer = api.ask(request.method, path, content=request.content or None)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    use_fake_api(monkeypatch, forward)
    monkeypatch.chdir(tmp_path)
    created = Deployment(memory, queue, LearnedMemories(memory), tmp_path / "ana.ndjson")
    memory.archive.store([replace(exchange(0, "t", "ana"), user_message="Rome now")])
    memory.archive.mark_user("ana")
    assert learn(memory.archive) == "changed"
    created.memories.add("ana", "fact", "Has a dog")
    created.memories.add("ana", "preference", "imperial", "units")
    created.memories.add("ana", "preference", "metric", "units")
    tea = created.memories.add("ana", "fact", "Likes tea")
    created.memories.correct("ana", UUID(tea["id"]), "Likes green tea")
    Threads(memory).rename("t", "My home")
    assert created.run("users", "export", "ana", "--output", str(created.export)).exit_code == 0
    return created


def _move(export: Path, user_id: str, thread_id: str) -> Path:
    """Return an export in which another user said and set the same in another thread."""
    lines = []
    for line in map(json.loads, export.read_text().splitlines()):
        user = {"user_id": user_id} if "user_id" in line else {}
        lines.append({**line, **user, **({"thread_id": thread_id} if "thread_id" in line else {})})
    moved = export.with_name("moved.ndjson")
    moved.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return moved


_EXPLICIT = [("fact", None, "Likes green tea"), ("preference", "units", "metric"), ("fact", None, "Has a dog")]


def test_an_export_of_explicit_memories_is_imported_for_another_user(deployment: Deployment) -> None:
    """What a user has set is set in the same order, once. What was learned is learned again from the exchanges."""
    moved = _move(deployment.export, "bob", "t2")
    preview = deployment.run("import", str(moved))
    assert preview.exit_code == 0, preview.output
    assert "explicit memories            3" in preview.stdout
    assert "1 learned memory of the file can be learned again from the exchanges." in preview.stdout
    assert deployment.explicit("bob") == []
    imported = deployment.run("import", str(moved), "--yes")
    assert imported.exit_code == 0, imported.output
    assert "Set 3 explicit memories.\n1 learned memory of the file can be learned again" in imported.stdout
    assert deployment.explicit("bob") == _EXPLICIT
    assert "Renamed 1 thread as in the file." in imported.stdout
    assert Threads(deployment.memory).get("t2").title == "My home"
    deployment.memory.archive.store(deployment.queue.take())
    deployment.memory.archive.mark_user("bob")
    assert learn(deployment.memory.archive, "t2") == "changed"
    assert sorted(deployment.current("bob")) == sorted(deployment.current("ana"))


def test_a_repeated_import_changes_no_memory(deployment: Deployment) -> None:
    """The second import, and one into the exported user, set nothing, so that also corrections of later stay."""
    moved = _move(deployment.export, "bob", "t2")
    assert deployment.run("import", str(moved), "--yes").exit_code == 0
    for user_id, file in (("bob", moved), ("ana", deployment.export)):
        before = deployment.memories.list_for(user_id, include_superseded=True).items
        answer = json.loads(deployment.run("import", str(file), "--yes", "--json").stdout)
        assert (answer["memories"], answer["memories_set"], answer["memories_known"]) == (3, 0, 3)
        assert deployment.memories.list_for(user_id, include_superseded=True).items == before
    tea = deployment.memories.list_for("ana").items[0]
    deployment.memories.correct("ana", UUID(tea["id"]), "Likes coffee")
    assert deployment.run("import", str(deployment.export), "--yes").exit_code == 0
    assert ("fact", None, "Likes coffee") in deployment.explicit("ana")
    assert len(deployment.explicit("ana")) == 3


def test_what_the_user_has_set_since_is_not_replaced(deployment: Deployment) -> None:
    """A preference of the name, and a fact in the same words, stay as they are."""
    deployment.memories.add("bob", "preference", "imperial", "units")
    deployment.memories.add("bob", "fact", "has a  DOG")
    before = deployment.explicit("bob")
    result = deployment.run("import", str(_move(deployment.export, "bob", "t2")), "--yes")
    assert "Set 1 explicit memory; the users have 2 of the file already.\n" in result.stdout
    assert deployment.explicit("bob") == [("fact", None, "Likes green tea"), *before]
