"""The extension pgvector, if the database has it: its schema, and the statements that use it.

The migration adds the column `exchange_vectors.embedding`, which a trigger fills. See `infra.migrations.pgvector`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.stores.postgres.connection import sql

SCHEMA: Final = """\
(select quote_ident(n.nspname)
from pg_attribute a
join pg_type t on t.oid = a.atttypid
join pg_namespace n on n.oid = t.typnamespace
where a.attrelid = to_regclass('exchange_vectors') and a.attname = 'embedding' and not a.attisdropped
    and has_schema_privilege(n.oid, 'usage'))"""
"""Returns the quoted schema of the column's type; null without the column."""

# Setting a vector to itself lets the trigger fill the column. The condition and the order are those of the index of
# such rows, so that PostgreSQL uses the index.
CONVERT: Final = b"""\
update exchange_vectors set vector = vector where (message_id, model) in (
    select message_id, model from exchange_vectors where embedding is null and dimensions between 1 and 16000
    order by conversation_id nulls first limit %(rows)s
)"""

_NEAREST: Final = sql("vectors_nearest").decode()


def nearest_statement(schema: str) -> bytes:
    """Return the statement that compares vectors. `schema` is the quoted schema of pgvector."""
    return _NEAREST.format(schema=schema.replace("%", "%%")).encode()


def to_halfvec(values: Sequence[float]) -> str:
    """Return a vector as pgvector's type `halfvec` is written. The type has three digits."""
    return f"[{','.join(format(value, '.5g') for value in values)}]"
