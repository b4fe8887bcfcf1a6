"""Which threads the sweep marks again for learning, and one log entry for all statements that a statement deletes."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# One row per user, in the order of the ids, so that two transactions that delete statements do not wait for each other.
_LOG: Final = """\
create or replace function log_memory_changes() returns trigger language plpgsql
-- As the owner, because the user of the functions may lack a privilege in the moment of a migration.
security definer set search_path from current as $$
begin
    -- The trigger also fires if nothing was deleted, for example by the cascade from a message without statements.
    if not exists (select from gone) then
        return null;
    end if;
    insert into cache_repairs (kind, id)
    select distinct 'user', c.user_id
    from (select distinct conversation_id from gone) as g
    join conversations c on c.id = g.conversation_id
    where c.user_id is not null
    order by c.user_id
    on conflict (kind, id) do update set noted_at = clock_timestamp()
    -- A cascade fires the trigger for each message. A version of the row per message would take quadratic time.
    where cache_repairs.xmin <> pg_current_xact_id()::xid;
    return null;
end $$"""
_LOG_TRIGGER: Final = """\
create or replace trigger log_memory_changes after delete on memory_statements
referencing old table as gone for each statement
execute function log_memory_changes()"""


def upgrade() -> None:
    """Add the columns, and replace the trigger."""
    op.execute("alter table derivation_progress add column if not exists used_since timestamptz")
    op.execute("alter table derivation_progress add column if not exists repeat_from timestamptz")
    op.execute(_LOG)
    op.execute(_LOG_TRIGGER)
    op.execute("drop trigger if exists log_memory_change on memory_statements")
    op.execute("drop function if exists log_memory_change()")


def downgrade() -> None:
    """Restore the trigger, and drop the columns."""
    learning = import_module("infra.migrations.versions.0014_learning")
    op.execute(learning._LOG)  # noqa: SLF001 - the statement must stay the one of that migration
    op.execute(learning._LOG_TRIGGER)  # noqa: SLF001 - as above
    op.execute("drop trigger if exists log_memory_changes on memory_statements")
    op.execute("drop function if exists log_memory_changes()")
    op.execute("alter table derivation_progress drop column if exists repeat_from")
    op.execute("alter table derivation_progress drop column if exists used_since")
