"""The column for pgvector, which PostgreSQL may have or get later. So each run of the migrations looks for it.

What is here depends on the extension: `drop extension vector cascade` drops the column, its trigger and its index, and
the search compares vectors without them.
"""

from __future__ import annotations

import logging
from typing import Final

from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

_logger = logging.getLogger(__name__)

_IS_MISSING: Final = "select count(*) from pg_available_extensions where name = 'vector' and installed_version is null"
# The schema of the type `halfvec`, which pgvector has since 0.7.
_SCHEMA: Final = """\
select quote_ident(n.nspname)
from pg_extension e
join pg_namespace n on n.oid = e.extnamespace
join pg_type t on t.typnamespace = n.oid and t.typname = 'halfvec'
where e.extname = 'vector' and has_schema_privilege(n.oid, 'usage')
    and to_regprocedure('fill_embedding()') is not null"""
_HAS_COLUMN: Final = (
    "select count(*) from pg_attribute"
    " where attrelid = to_regclass('exchange_vectors') and attname = 'embedding' and not attisdropped"
)
# A byte is a signed number. `return` binds the names now, so the function works with any search path.
_CONVERT: Final = """\
create or replace function exchange_embedding(vector bytea) returns {schema}.halfvec
language sql immutable strict parallel safe
return array(
    select (get_byte(vector, i) # 128) - 128 from generate_series(0, octet_length(vector) - 1) as i order by i
)::{schema}.halfvec"""
# Without a default, the rows are not rewritten. The sweep fills the column of the rows that exist.
_ADD: Final = "alter table exchange_vectors add column embedding {schema}.halfvec"
# The trigger names the column, so it is dropped with the column.
_TRIGGER: Final = """\
create or replace trigger fill_embedding before insert or update of vector, embedding on exchange_vectors
for each row execute function fill_embedding()"""
_INDEX: Final = "ix_exchange_vectors_unconverted"
_CREATE_INDEX: Final = (
    # No other index has this order, so a statement can ask for this index by its order.
    f"create index concurrently if not exists {_INDEX} on exchange_vectors (conversation_id nulls first)"
    " where embedding is null and dimensions between 1 and 16000"
)
_IS_INVALID: Final = "select count(*) from pg_index where indexrelid = to_regclass(:name) and not indisvalid"


def add_pgvector(connection: Connection) -> None:
    """Create the extension, if it is available and the role may, and add the column, if the extension is there.

    Args:
        connection: A connection of the tables' owner, without an open transaction.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: PostgreSQL does not respond, or a lock was not released.
    """
    with connection.begin():
        if connection.scalar(text(_IS_MISSING)):
            _create_extension(connection)
        schema = connection.scalar(text(_SCHEMA))
        if schema is None:
            return
        if not connection.scalar(text(_HAS_COLUMN)):
            for statement in (_CONVERT, _ADD, _TRIGGER):
                connection.execute(text(statement.format(schema=schema.replace(":", "\\:"))))
    _create_index(connection)


def _create_extension(connection: Connection) -> None:
    try:
        with connection.begin_nested():
            connection.execute(text("create extension if not exists vector"))
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, LockNotAvailable | QueryCanceled):
            raise
        # Searches also work without it, so this is no failure.
        _logger.info("the search by meaning works without pgvector: %s", error.orig)


def _create_index(connection: Connection) -> None:
    """Index the vectors that the sweep has still to convert. A failed build left an invalid index."""
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(text("set lock_timeout = 0"))
    if connection.scalar(text(_IS_INVALID), {"name": _INDEX}):
        connection.execute(text(f"drop index concurrently if exists {_INDEX}"))
    connection.execute(text(_CREATE_INDEX))
