"""Columns and indexes of the text search."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from infra.migrations.online import create_index_online, drop_index_online
from infra.migrations.schema import UNINDEXED

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COLUMNS: Final = {
    "search_keys": "integer[]",
    "user_terms": "integer",
    "assistant_terms": "integer",
    "terms_version": "smallint",
    "terms_revision": "integer",
    "terms_accepted_at": "timestamp with time zone",
}

# The key that a user's exchanges have in common. All of its functions exist in every PostgreSQL since version 11.
_USER_KEY: Final = """\
create or replace function search_user_key(user_id text) returns integer language sql immutable parallel safe as $$
    select ('x' || encode(substring(sha256(convert_to(coalesce(user_id, ''), 'UTF8')) from 1 for 4), 'hex'))
        ::bit(32)::integer
$$"""

# A thread gets another user if its first exchange is stored late. Its rows then get the key of this user.
_MOVE: Final = """\
create or replace function move_search_keys() returns trigger language plpgsql
-- As the owner, because the user of the functions may lack a privilege in the moment of a migration.
security definer set search_path from current as $$
begin
    update messages
    set search_keys = array_replace(search_keys, search_user_key(old.user_id), search_user_key(new.user_id))
    -- Rows without keys, too: the sweep may be writing the old user's key. This statement then waits and replaces it.
    where conversation_id = new.id and position = 0;
    return null;
end $$"""
_MOVE_TRIGGER: Final = """\
create or replace trigger move_search_keys after update of user_id on conversations for each row
-- A deleted thread loses its name and its user in one statement, and its rows are deleted in steps.
when (old.thread_id = new.thread_id and old.user_id is distinct from new.user_id)
execute function move_search_keys()"""


def upgrade() -> None:
    """Add the columns, without rewriting rows. The sweep indexes the rows that exist."""
    for name, kind in _COLUMNS.items():
        op.execute(f"alter table messages add column if not exists {name} {kind}")
    op.execute(_USER_KEY)
    op.execute(_MOVE)
    op.execute(_MOVE_TRIGGER)
    create_index_online(
        "ix_messages_search_keys",
        "messages",
        ["search_keys"],
        postgresql_using="gin",
        # In kB. A search reads all pending entries, and the drain that fills their list moves them into the index.
        postgresql_with={"gin_pending_list_limit": 512},
        postgresql_where=sa.text("search_keys is not null"),
    )
    create_index_online(
        "ix_messages_unindexed",
        "messages",
        # No other index has this order, so a statement can ask for this index by its order.
        [sa.text("conversation_id nulls first")],
        postgresql_where=sa.text(UNINDEXED),
    )


def downgrade() -> None:
    """Drop the indexes, the trigger and the columns."""
    drop_index_online("ix_messages_unindexed")
    drop_index_online("ix_messages_search_keys")
    op.execute("drop trigger if exists move_search_keys on conversations")
    op.execute("drop function if exists move_search_keys")
    op.execute("drop function if exists search_user_key")
    for name in _COLUMNS:
        op.execute(f"alter table messages drop column if exists {name}")
