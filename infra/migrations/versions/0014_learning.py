"""Statements, explicit memories and deleted memories of learned memory."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TIME: Final = sa.DateTime(timezone=True)

# A message's statements quote its text, so they are deleted in the transaction that replaces it, whatever process does.
_REMOVE: Final = """\
create or replace function remove_memory_statements() returns trigger language plpgsql
-- As the owner, because the user of the functions may lack a privilege in the moment of a migration.
security definer set search_path from current as $$
begin
    delete from memory_statements where message_id = new.id;
    return null;
end $$"""
_REMOVE_TRIGGER: Final = """\
create or replace trigger remove_memory_statements after update of content, revision, accepted_at on messages
for each row
when (old.content is distinct from new.content or old.revision is distinct from new.revision
    or old.accepted_at is distinct from new.accepted_at)
execute function remove_memory_statements()"""

# Redis may have memories that are computed from a deleted statement. The sweep deletes them if no process does before.
_LOG: Final = """\
create or replace function log_memory_change() returns trigger language plpgsql
-- As the owner, because the user of the functions may lack a privilege in the moment of a migration.
security definer set search_path from current as $$
begin
    insert into cache_repairs (kind, id)
    select 'user', user_id from conversations where id = old.conversation_id and user_id is not null
    on conflict (kind, id) do update set noted_at = clock_timestamp();
    return null;
end $$"""
_LOG_TRIGGER: Final = """\
create or replace trigger log_memory_change after delete on memory_statements for each row
execute function log_memory_change()"""

# A thread that is deleted or gets another user takes its statements away from the user.
_MOVE: Final = """\
create or replace function log_memory_move() returns trigger language plpgsql
-- As the owner, because the user of the functions may lack a privilege in the moment of a migration.
security definer set search_path from current as $$
begin
    if exists (select from memory_statements where conversation_id = new.id) then
        insert into cache_repairs (kind, id)
        select 'user', moved.id from unnest(array[old.user_id, new.user_id]) as moved (id)
        where moved.id is not null order by moved.id
        on conflict (kind, id) do update set noted_at = clock_timestamp();
    end if;
    return null;
end $$"""
_MOVE_TRIGGER: Final = """\
create or replace trigger log_memory_move after update of user_id on conversations for each row
when (old.user_id is distinct from new.user_id)
execute function log_memory_move()"""

_FORGET: Final = """\
create or replace function forget_memories_of_user() returns trigger language plpgsql
-- As the owner, because the user of the functions may lack a privilege in the moment of a migration.
security definer set search_path from current as $$
begin
    delete from explicit_memories where user_id = new.user_id;
    delete from forgotten_memories where user_id = new.user_id;
    delete from learning_users where user_id = new.user_id;
    return null;
end $$"""
_FORGET_TRIGGER: Final = """\
create or replace trigger forget_memories_of_user after insert or update on user_tombstones for each row
execute function forget_memories_of_user()"""

_TRIGGERS: Final = {
    "remove_memory_statements": "messages",
    "log_memory_move": "conversations",
    "forget_memories_of_user": "user_tombstones",
}


def upgrade() -> None:
    """Create the tables and triggers. The tables are empty, so their indexes are built at once."""
    op.create_table(
        "memory_statements",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("message_id", sa.Uuid(), sa.ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("deriver", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("slot", sa.String(255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("valid_from", _TIME),
    )
    op.create_index("ix_memory_statements_conversation_id", "memory_statements", ["conversation_id"])
    op.create_index("ix_memory_statements_message_id", "memory_statements", ["message_id"])
    op.create_table(
        "explicit_memories",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("slot", sa.String(255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("set_at", _TIME, nullable=False),
    )
    op.create_index("ix_explicit_memories_user_id", "explicit_memories", ["user_id"])
    op.create_table(
        "forgotten_memories",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("slot_hash", sa.LargeBinary(), nullable=False),
        sa.Column("value_hash", sa.LargeBinary(), nullable=False),
        sa.Column("first", sa.Uuid(), nullable=False),
        sa.Column("last", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "slot_hash", "value_hash", "first"),
    )
    op.create_table(
        "learning_users",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column(
            "hash_key",
            sa.LargeBinary(),
            server_default=sa.text("uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"),
            nullable=False,
        ),
        sa.Column("budget_day", sa.Date()),
        sa.Column("budget_used", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    # The lowest order key that is due; null for all exchanges of the thread.
    op.execute("alter table due_derivations add column if not exists from_order uuid")
    for statement in (_REMOVE, _REMOVE_TRIGGER, _LOG, _LOG_TRIGGER, _MOVE, _MOVE_TRIGGER, _FORGET, _FORGET_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    """Drop the triggers and tables."""
    for trigger, table in _TRIGGERS.items():
        op.execute(f"drop trigger if exists {trigger} on {table}")
        op.execute(f"drop function if exists {trigger}")
    for table in ("learning_users", "forgotten_memories", "explicit_memories", "memory_statements"):
        op.drop_table(table)
    op.execute("drop function if exists log_memory_change")
    op.execute("alter table due_derivations drop column if exists from_order")
