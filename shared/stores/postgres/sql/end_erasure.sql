-- Forgets that a user's deletion is under way if no row of theirs is from before it.
delete from user_erasures e
where e.user_id = %(user_id)s
    and not exists (
        select from conversations c where c.user_id = e.user_id and coalesce(c.serial, 0) <= e.serial
    )
    and not exists (
        select from thread_owners o where o.user_id = e.user_id and coalesce(o.serial, 0) <= e.serial
    )
