-- Replaces a stored exchange's texts; the position and the time do not change.
insert into messages as m (
    conversation_id, exchange_id, position, role, content, metadata, created_at, revision, accepted_at
)
values
    (
        %(conversation_id)s, %(exchange_id)s, 0, 'user', %(user_message)s, %(metadata)s::json, %(created_at)s, %(revision)s,
        %(accepted_at)s
    ),
    (
        %(conversation_id)s, %(exchange_id)s, 1, 'assistant', %(assistant_message)s, null, %(created_at)s, %(revision)s,
        %(accepted_at)s
    )
on conflict (conversation_id, exchange_id, position) do update
    set content = excluded.content, metadata = excluded.metadata, revision = excluded.revision
