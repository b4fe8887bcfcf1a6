-- Stores vectors of exchanges whose texts have not changed meanwhile.
insert into exchange_vectors (
    message_id, model, conversation_id, created_at, revision, accepted_at, dimensions, vector, signs
)
select m.id, %(model)s, m.conversation_id, m.created_at, g.revision, g.accepted_at, g.dimensions, g.vector,
    g.signs::varbit
from unnest(
    %(row_ids)s::uuid[], %(revisions)s::int[], %(accepted_at)s::timestamptz[], %(vectors)s::bytea[], %(signs)s::text[],
    %(dimensions)s::int[]
) as g (id, revision, accepted_at, vector, signs, dimensions)
join messages m on m.id = g.id and m.revision = g.revision and coalesce(m.accepted_at, m.created_at) = g.accepted_at
order by m.id
on conflict (message_id, model) do update
    set created_at = excluded.created_at, revision = excluded.revision, accepted_at = excluded.accepted_at,
        dimensions = excluded.dimensions, vector = excluded.vector, signs = excluded.signs
