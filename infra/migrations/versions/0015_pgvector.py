"""The trigger function that fills pgvector's column; see `infra.migrations.pgvector`."""

from __future__ import annotations

from typing import Final

from alembic import op

from infra.migrations.online import drop_index_online

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# A process of an earlier release writes only `vector`. pgvector's type `halfvec` has at most 16,000 dimensions.
_FILL: Final = """\
create or replace function fill_embedding() returns trigger language plpgsql set search_path from current as $$
begin
    new.embedding := case when new.dimensions between 1 and 16000 then exchange_embedding(new.vector) end;
    return new;
end $$"""


def upgrade() -> None:
    """Create the function. Each run of the migrations adds the column and its trigger, if the database has pgvector."""
    op.execute(_FILL)


def downgrade() -> None:
    """Drop the function and what needs it. The extension stays, because others may use it."""
    drop_index_online("ix_exchange_vectors_unconverted")
    op.execute("drop trigger if exists fill_embedding on exchange_vectors")
    op.execute("drop function if exists fill_embedding()")
    op.execute("alter table exchange_vectors drop column if exists embedding")
    op.execute("drop function if exists exchange_embedding(bytea)")
