"""What is stored about a user in PostgreSQL: statements, explicit memories, and keyed hashes of deleted memories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.errors import TooManyMemories
from shared.learning.fold import UserKnowledge
from shared.learning.forgetting import Forgetting
from shared.learning.memories import MAX_EXPLICIT, ExplicitMemory, Forgotten, StoredStatement
from shared.learning.statements import Statement
from shared.stores.postgres.connection import PostgresConnection, sql, utc
from shared.stores.postgres.invalidations import log_invalidations
from shared.stores.postgres.locks import lock_shared

_Connection = psycopg.Connection[DictRow]
_STATEMENTS, _SUMMARIES = sql("learning_statements"), sql("learning_summaries")
_SET: Final = """\
insert into explicit_memories as e (id, user_id, kind, slot, text, created_at, set_at)
values (%(id)s, %(user_id)s, %(kind)s, %(slot)s, %(text)s, %(created_at)s, %(set_at)s)
on conflict (id) do update
set kind = excluded.kind, slot = excluded.slot, text = excluded.text, set_at = excluded.set_at
where e.user_id = excluded.user_id"""
# The deletion of a user deletes the key of the hashes, and nothing may be stored about the user after it.
_FORGET: Final = """\
insert into forgotten_memories as f (user_id, slot_hash, value_hash, first, last, deleted_at)
select user_id, %s, %s, %s, %s, %s from learning_users where user_id = %s
on conflict (user_id, slot_hash, value_hash, first) do update
set last = greatest(f.last, excluded.last), deleted_at = greatest(f.deleted_at, excluded.deleted_at)"""
_REMOVE_ALL: Final = """\
delete from memory_statements s using live_conversations c, messages m
where c.user_id = %s and s.conversation_id = c.id and m.id = s.message_id
    and coalesce(m.accepted_at, m.created_at) <= %s"""
_REMOVE: Final = """\
delete from memory_statements s using live_conversations c
where s.id = any(%s) and c.id = s.conversation_id and c.user_id = %s"""
# The number of a thread's newest sentences that its summary is selected from.
_SENTENCES: Final = 100
_MEMORIES_LOCK: Final = 7_215_005
_MAX_STATEMENTS: Final = 2_000


class PostgresMemories:
    """What is stored about users. Methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def knowledge(self, user_id: str, window: int, thread_id: str | None = None) -> UserKnowledge:
        """Return what is stored about a user, see `LearningArchive.knowledge`."""
        values = {
            "user_id": user_id,
            "window": window,
            "thread_id": thread_id,
            "rows": _MAX_STATEMENTS,
            "sentences": _SENTENCES,
        }

        def work(connection: _Connection) -> UserKnowledge:
            # The deletions are read last, so that they refuse what is deleted between these statements.
            statements = connection.execute(_STATEMENTS, values).fetchall()
            summaries = connection.execute(_SUMMARIES, values).fetchall()
            explicit = _explicit(connection, user_id)
            return UserKnowledge(
                [_stored(row) for row in statements],
                explicit,
                forgetting_of(connection, user_id),
                [_stored(row) for row in reversed(summaries)],
            )

        return self._connection.run(work)

    def set_explicit(
        self,
        user_id: str,
        memory: ExplicitMemory,
        forgotten: Sequence[Forgotten] = (),
        statement_ids: Sequence[UUID] = (),
    ) -> None:
        """Store an explicit memory, see `LearningArchive.set_explicit`."""

        def work(connection: _Connection) -> None:
            lock_shared(connection, [], [user_id])
            _forget(connection, user_id, forgotten, statement_ids)
            values = {
                "id": memory.memory_id,
                "user_id": user_id,
                "kind": memory.kind,
                "slot": memory.slot,
                "text": memory.text,
                "created_at": memory.created_at,
                "set_at": memory.set_at,
            }
            connection.execute(_SET, values)
            count = connection.execute(
                "select count(*) as count from explicit_memories where user_id = %s", (user_id,)
            ).fetchone()
            if count is not None and count["count"] > MAX_EXPLICIT:
                raise TooManyMemories(f"a user has at most {MAX_EXPLICIT} explicit memories")
            log_invalidations(connection, "user", [user_id])

        self._connection.run(work)

    def forget_memories(
        self, user_id: str, forgotten: Sequence[Forgotten], statement_ids: Sequence[UUID], memory_ids: Sequence[UUID]
    ) -> None:
        """Delete memories, see `LearningArchive.forget_memories`."""

        def work(connection: _Connection) -> None:
            lock_shared(connection, [], [user_id])
            _forget(connection, user_id, forgotten, statement_ids)
            connection.execute(
                "delete from explicit_memories where id = any(%s) and user_id = %s", (list(memory_ids), user_id)
            )
            log_invalidations(connection, "user", [user_id])

        self._connection.run(work)

    def forget_all_memories(self, user_id: str, forgotten: Forgotten) -> None:
        """Delete everything that is known about a user, see `LearningArchive.forget_all_memories`."""

        def work(connection: _Connection) -> None:
            lock_shared(connection, [], [user_id])
            _forget(connection, user_id, [forgotten], ())
            connection.execute(_REMOVE_ALL, (user_id, forgotten.deleted_at))
            connection.execute("delete from explicit_memories where user_id = %s", (user_id,))
            log_invalidations(connection, "user", [user_id])

        self._connection.run(work)

    def hash_key(self, user_id: str) -> bytes:
        """Return the key of the user's hashes."""

        def work(connection: _Connection) -> bytes:
            lock_shared(connection, [], [user_id])
            connection.execute(
                "insert into learning_users (user_id) values (%s) on conflict (user_id) do nothing", (user_id,)
            )
            row = connection.execute("select hash_key from learning_users where user_id = %s", (user_id,)).fetchone()
            return bytes(row["hash_key"]) if row else b""

        return self._connection.run(work)


def _stored(row: DictRow) -> StoredStatement:
    return StoredStatement(
        row["id"],
        Statement(
            row["kind"],
            row["slot"],
            row["value"],
            row["text"],
            row["quote"],
            row["role"],
            utc(row["valid_from"]),
        ),
        row["thread_id"],
        row["exchange_id"],
        row["created_at"].astimezone(UTC),
        row["accepted_at"].astimezone(UTC),
        row["order_key"],
        row["revision"],
    )


def _explicit(connection: _Connection, user_id: str) -> list[ExplicitMemory]:
    memories = connection.execute(
        "select id, kind, slot, text, created_at, set_at from explicit_memories where user_id = %s", (user_id,)
    ).fetchall()
    preferences = connection.execute(
        "select key, value, updated_at from user_preferences where user_id = %s", (user_id,)
    ).fetchall()
    # A preference of `/preferences` is no memory, but learned memories of its name give way to it.
    return [
        *(
            ExplicitMemory(None, "preference", row["key"], row["value"], *(2 * [row["updated_at"].astimezone(UTC)]))
            for row in preferences
        ),
        *(
            ExplicitMemory(
                row["id"],
                row["kind"],
                row["slot"],
                row["text"],
                row["created_at"].astimezone(UTC),
                row["set_at"].astimezone(UTC),
            )
            for row in memories
        ),
    ]


def lock_memories(connection: _Connection, user_id: str) -> None:
    """Lock a user's deleted memories until the transaction ends, so that no statement is stored beside a deletion."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_MEMORIES_LOCK, user_id))


def forgetting_of(connection: _Connection, user_id: str) -> Forgetting:
    """Return a user's deleted memories."""
    rows = connection.execute(
        "select l.hash_key, f.slot_hash, f.value_hash, f.first, f.last, f.deleted_at"
        " from forgotten_memories f join learning_users l on l.user_id = f.user_id where f.user_id = %s",
        (user_id,),
    ).fetchall()
    return Forgetting(
        bytes(rows[0]["hash_key"]) if rows else b"",
        (
            Forgotten(
                bytes(row["slot_hash"]),
                bytes(row["value_hash"]),
                row["first"],
                row["last"],
                row["deleted_at"].astimezone(UTC),
            )
            for row in rows
        ),
    )


def _forget(
    connection: _Connection, user_id: str, forgotten: Sequence[Forgotten], statement_ids: Sequence[UUID]
) -> None:
    lock_memories(connection, user_id)
    for each in forgotten:
        hashes = (each.slot_hash, each.value_hash)
        connection.execute(_FORGET, (*hashes, each.first, each.last, each.deleted_at, user_id))
    if statement_ids:
        connection.execute(_REMOVE, (list(statement_ids), user_id))
