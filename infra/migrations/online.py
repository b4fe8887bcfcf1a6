"""Changes of large tables while other clients read and write them.

Each change commits the migration's earlier statements, and runs outside of a transaction. So all other statements of
such a migration must be repeatable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

_IS_INVALID = sa.text("select not indisvalid from pg_index where indexrelid = to_regclass(:name)")


def create_index_online(name: str, table: str, columns: Sequence[str | sa.TextClause], **options: Any) -> None:
    """Build an index while the table is in use. Replace an invalid index, which a failed build has left.

    Args:
        name: The index.
        table: Its table.
        columns: Its columns or expressions.
        **options: Options of `alembic.op.create_index`, such as `unique` or `postgresql_where`.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The build failed. The next call starts it again.
    """
    with _outside_of_transactions() as connection:
        if connection.scalar(_IS_INVALID, {"name": name}):
            op.drop_index(name, postgresql_concurrently=True)
        op.create_index(name, table, list(columns), postgresql_concurrently=True, if_not_exists=True, **options)


def drop_index_online(name: str) -> None:
    """Drop an index while its table is in use.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: PostgreSQL does not respond or refuses.
    """
    with _outside_of_transactions():
        op.drop_index(name, postgresql_concurrently=True, if_exists=True)


@contextmanager
def _outside_of_transactions() -> Iterator[sa.Connection]:
    """Enter an autocommit block without `lock_timeout`. A concurrent build blocks no other statements."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        before = connection.scalar(sa.text("select current_setting('lock_timeout')"))
        connection.execute(sa.text("set lock_timeout = 0"))
        try:
            yield connection
        finally:
            connection.execute(sa.text("select set_config('lock_timeout', :value, false)"), {"value": before})
