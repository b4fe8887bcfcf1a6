select {key} as key, m.id, m.conversation_id, m.user_terms, m.assistant_terms, m.created_at
from messages m
where m.search_keys @> array[search_user_key(%(user_id)s), %(key_{key})s::int] and {indexed}
