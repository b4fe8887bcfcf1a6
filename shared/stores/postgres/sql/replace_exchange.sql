-- Replaces a stored exchange's texts; the position and the time do not change.
insert into messages as m (
    conversation_id, exchange_id, position, role, content, metadata, created_at, revision, accepted_at, search_keys,
    user_terms, assistant_terms, terms_version, terms_revision, terms_accepted_at
)
values
    (
        %(conversation_id)s, %(exchange_id)s, 0, 'user', %(user_message)s, %(metadata)s::json, %(created_at)s, %(revision)s,
        %(accepted_at)s,
        %(search_keys)s::int[] || (select search_user_key(user_id) from conversations where id = %(conversation_id)s),
        %(user_terms)s, %(assistant_terms)s, %(terms_version)s, %(revision)s,
        coalesce(%(accepted_at)s::timestamptz, %(created_at)s::timestamptz)
    ),
    (
        %(conversation_id)s, %(exchange_id)s, 1, 'assistant', %(assistant_message)s, null, %(created_at)s, %(revision)s,
        %(accepted_at)s, null, null, null, null, null, null
    )
on conflict (conversation_id, exchange_id, position) do update
    set content = excluded.content, metadata = excluded.metadata, revision = excluded.revision,
        search_keys = excluded.search_keys, user_terms = excluded.user_terms, assistant_terms = excluded.assistant_terms,
        terms_version = excluded.terms_version, terms_revision = excluded.terms_revision,
        terms_accepted_at = excluded.terms_accepted_at, stored_at = excluded.stored_at
