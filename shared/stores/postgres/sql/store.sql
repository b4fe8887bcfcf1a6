-- Stores a batch of exchanges of any size, and returns the outcome of each one. `batch` is a JSON array, and `number` is
-- an exchange's position in it.
with input as materialized (
    select r.*
    from jsonb_to_recordset(%(batch)s::jsonb) as r (
        number int, exchange_id uuid, order_key uuid, thread_id text, user_id text, title text,
        user_message text, assistant_message text, created_at timestamptz, document_ids jsonb,
        metadata text, revision int,
        -- Only imports have these two: the time of acceptance and the acceptance key.
        accepted_at timestamptz, acceptance text,
        search_keys text, user_terms int, assistant_terms int
    )
),
undeleted as (
    select i.*
    from input i
    left join thread_tombstones t on t.thread_id = i.thread_id
    left join user_tombstones u on u.user_id = i.user_id
    left join exchange_tombstones e on e.thread_id = i.thread_id and e.exchange_id = i.exchange_id
    where e.exchange_id is null
        and (t.cutoff is null or coalesce(i.acceptance::uuid, i.order_key) > t.cutoff)
        and (u.cutoff is null or coalesce(i.acceptance::uuid, i.order_key) > u.cutoff)
),
-- In a claimed thread, only the owner's exchanges are stored.
alive as (
    select d.*
    from undeleted d
    left join live_thread_owners o on o.thread_id = d.thread_id
    where o.thread_id is null or o.user_id is not distinct from d.user_id
),
-- If a batch has an id twice, the highest revision wins, then the one that was accepted first, as across batches and in
-- Redis.
single as (
    select distinct on (thread_id, exchange_id) * from alive
    order by thread_id, exchange_id, revision desc, coalesce(accepted_at, created_at)
),
-- A thread's user and title are those of the exchange that was accepted first.
threads as (
    select distinct on (s.thread_id)
        s.thread_id, s.user_id, s.title,
        min(s.created_at) over (partition by s.thread_id) as began_at,
        max(s.created_at) over (partition by s.thread_id) as ended_at,
        coalesce(s.accepted_at, s.created_at) as first_accepted_at,
        max(s.acceptance) over (partition by s.thread_id)::uuid as last_import
    from single s
    order by s.thread_id, coalesce(s.accepted_at, s.created_at), s.order_key
),
-- Ordered by thread_id, so that two drains with common threads cannot deadlock.
conversation as (
    insert into conversations as c (
        thread_id, user_id, title, created_at, updated_at, first_accepted_at, last_import
    )
    select thread_id, user_id, title, began_at, ended_at, nullif(first_accepted_at, began_at), last_import
    from threads order by thread_id
    on conflict (thread_id) do update set
        user_id = case
            when coalesce(excluded.first_accepted_at, excluded.created_at) < coalesce(c.first_accepted_at, c.created_at)
                then excluded.user_id
            else c.user_id
        end,
        -- If the row gets another user, it gets a new serial, so that it does not count as older than that user's deletion.
        serial = case
            when coalesce(excluded.first_accepted_at, excluded.created_at) < coalesce(c.first_accepted_at, c.created_at)
                and excluded.user_id is distinct from c.user_id then excluded.serial
            else c.serial
        end,
        title = case
            when c.title is null or (
                coalesce(excluded.first_accepted_at, excluded.created_at) < coalesce(c.first_accepted_at, c.created_at)
                and not c.title_is_fixed
            ) then excluded.title
            else c.title
        end,
        created_at = least(c.created_at, excluded.created_at),
        updated_at = greatest(c.updated_at, excluded.updated_at),
        first_accepted_at = nullif(
            least(
                coalesce(c.first_accepted_at, c.created_at), coalesce(excluded.first_accepted_at, excluded.created_at)
            ),
            least(c.created_at, excluded.created_at)
        ),
        last_import = greatest(c.last_import, excluded.last_import)
    -- A conversation of a deleted user gets no exchange. It must be detached first.
    where coalesce(c.serial, 0) > coalesce((select e.serial from user_erasures e where e.user_id = c.user_id), -1)
    returning c.id, c.thread_id, c.user_id
),
-- One map of all conversations. Without it, the planner, which does not know the number of exchanges, compares each
-- exchange with each conversation.
conversations_by_thread as materialized (
    select jsonb_object_agg(thread_id, id) as ids,
        jsonb_object_agg(thread_id, search_user_key(user_id)) as user_keys
    from conversation
),
placed as (
    select s.*, (b.ids ->> s.thread_id)::uuid as conversation_id, (b.user_keys ->> s.thread_id)::int as user_key
    from single s
    cross join conversations_by_thread b
),
written as (
    insert into messages as m (
        conversation_id, exchange_id, position, role, content, metadata, created_at, revision, accepted_at,
        search_keys, user_terms, assistant_terms, terms_version, terms_revision, terms_accepted_at
    )
    select
        s.conversation_id, s.exchange_id, side.position, side.role, side.content, side.metadata, s.created_at, s.revision,
        s.accepted_at, side.search_keys, side.user_terms, side.assistant_terms, side.terms_version, side.terms_revision,
        side.terms_accepted_at
    from placed s
    cross join lateral (
        values
            (
                0::smallint, 'user', s.user_message, s.metadata::json, s.search_keys::int[] || s.user_key, s.user_terms,
                s.assistant_terms, %(terms_version)s::smallint, s.revision, coalesce(s.accepted_at, s.created_at)
            ),
            (1::smallint, 'assistant', s.assistant_message, null, null, null, null, null, null, null)
    ) as side (
        position, role, content, metadata, search_keys, user_terms, assistant_terms, terms_version, terms_revision,
        terms_accepted_at
    )
    where s.conversation_id is not null
    on conflict (conversation_id, exchange_id, position) do update
        set content = excluded.content, metadata = excluded.metadata, created_at = excluded.created_at,
            revision = excluded.revision, accepted_at = excluded.accepted_at, search_keys = excluded.search_keys,
            user_terms = excluded.user_terms, assistant_terms = excluded.assistant_terms, terms_version = excluded.terms_version,
            terms_revision = excluded.terms_revision, terms_accepted_at = excluded.terms_accepted_at,
            stored_at = excluded.stored_at
        where excluded.revision > m.revision or (
            excluded.revision = m.revision
            and coalesce(excluded.accepted_at, excluded.created_at) < coalesce(m.accepted_at, m.created_at)
        )
    returning m.conversation_id, m.exchange_id, m.position, m.xmax = 0 as is_new
),
attached as (
    insert into conversation_documents as a (conversation_id, document_id, attached_at)
    select distinct on (s.conversation_id, d.document_id) s.conversation_id, d.document_id, s.created_at
    from placed s
    cross join lateral jsonb_array_elements_text(s.document_ids) as d (document_id)
    where s.conversation_id is not null
    order by s.conversation_id, d.document_id, s.created_at
    on conflict (conversation_id, document_id) do update
        set attached_at = excluded.attached_at
        where excluded.attached_at < a.attached_at
)
select
    i.number,
    case
        when d.number is null then 'tombstoned'
        when a.number is null then 'rejected_owner'
        when s.conversation_id is null then 'hidden'
        when s.number is distinct from i.number or w.exchange_id is null then 'duplicate'
        when w.is_new then 'stored'
        else 'replaced'
    end as outcome
from input i
left join undeleted d on d.number = i.number
left join alive a on a.number = i.number
left join placed s on s.thread_id = i.thread_id and s.exchange_id = i.exchange_id
left join written w on w.conversation_id = s.conversation_id and w.exchange_id = i.exchange_id and w.position = 0
order by i.number
