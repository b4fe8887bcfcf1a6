-- Stores the terms of exchanges.
update messages m
set search_keys = g.search_keys::int[] || search_user_key(c.user_id), user_terms = g.user_terms, assistant_terms = g.assistant_terms,
    terms_version = %(terms_version)s, terms_revision = g.revision, terms_accepted_at = g.accepted_at
from unnest(
    %(row_ids)s::uuid[], %(search_keys)s::text[], %(user_terms)s::int[], %(assistant_terms)s::int[], %(revisions)s::int[],
    %(accepted_at)s::timestamptz[]
) as g (id, search_keys, user_terms, assistant_terms, revision, accepted_at),
    conversations c
where m.id = g.id and c.id = m.conversation_id
