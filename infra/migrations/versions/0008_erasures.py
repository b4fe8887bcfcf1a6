"""Deletions that take effect at once and remove rows in steps, and message counts."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A row is live if its user was not deleted, or if it is newer than the deletion.
_VIEWS: Final = (
    """\
create view live_conversations as
select c.id, c.thread_id, c.user_id, c.title, c.title_is_fixed, c.created_at, c.updated_at, c.message_count
from conversations c
where coalesce(c.serial, 0) > coalesce((select e.serial from user_erasures e where e.user_id = c.user_id), -1)""",
    """\
create view live_thread_owners as
select o.thread_id, o.user_id, o.claimed_at
from thread_owners o
where coalesce(o.serial, 0) > coalesce((select e.serial from user_erasures e where e.user_id = o.user_id), -1)""",
)

_COUNT: Final = """\
create function count_messages() returns trigger language plpgsql
-- As the owner: it reads a table that the user of the functions may not know yet.
security definer set search_path from current as $$
begin
    if tg_op = 'INSERT' then
        update conversations c set message_count = c.message_count + n.added
        from (select conversation_id, count(*) as added from changed group by conversation_id) as n
        where c.id = n.conversation_id and c.message_count is not null;
    else
        update conversations c set message_count = c.message_count - n.removed
        from (select conversation_id, count(*) as removed from changed group by conversation_id) as n
        where c.id = n.conversation_id and c.message_count is not null
            and not exists (select from erasures e where e.conversation_id = c.id);
    end if;
    return null;
end $$"""


def upgrade() -> None:
    """Add the columns and tables; existing rows keep nulls and are not rewritten."""
    op.create_table(
        "user_erasures",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("cutoff", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column(
            "conversation_id", sa.Uuid(), sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("thread_id", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255)),
        sa.Column("reached", sa.Uuid()),
        sa.Column("erased_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_erasures_user_id", "erasures", ["user_id"])
    op.create_index("ix_erasures_erased_at", "erasures", ["erased_at", "conversation_id"])
    op.create_table(
        "lock_transition",
        sa.Column("ends_at", sa.DateTime(timezone=True), primary_key=True),
    )
    # Processes of the previous release use other locks. If the database has rows, such processes may be running.
    op.execute("insert into lock_transition select now() + interval '1 day' where exists (select from conversations)")
    op.execute("create sequence row_serial")
    # Processes of the previous release also insert rows, possibly before their user's privileges are granted again.
    op.execute("grant usage on sequence row_serial to public")
    for table in ("conversations", "thread_owners"):
        op.add_column(table, sa.Column("serial", sa.BigInteger()))
        op.execute(f"alter table {table} alter column serial set default nextval('row_serial')")
    op.add_column("conversations", sa.Column("message_count", sa.BigInteger()))
    op.execute("alter table conversations alter column message_count set default 0")
    op.execute(_COUNT)
    for action, kind in (("insert", "new"), ("delete", "old")):
        op.execute(
            f"create trigger count_messages_{action} after {action} on messages"
            f" referencing {kind} table as changed for each statement execute function count_messages()"
        )
    for view in _VIEWS:
        op.execute(view)


def downgrade() -> None:
    """Undo `upgrade`. Rows of deleted threads are deleted, because they would otherwise become visible again."""
    op.execute("delete from conversations where id not in (select id from live_conversations)")
    op.execute("delete from thread_owners where thread_id not in (select thread_id from live_thread_owners)")
    op.execute("delete from conversations c using erasures e where e.conversation_id = c.id")
    op.execute("drop view live_thread_owners")
    op.execute("drop view live_conversations")
    for action in ("insert", "delete"):
        op.execute(f"drop trigger count_messages_{action} on messages")
    op.execute("drop function count_messages")
    op.drop_column("conversations", "message_count")
    for table in ("conversations", "thread_owners"):
        op.drop_column(table, "serial")
    op.execute("drop sequence row_serial")
    for table in ("lock_transition", "erasures", "user_erasures"):
        op.drop_table(table)
