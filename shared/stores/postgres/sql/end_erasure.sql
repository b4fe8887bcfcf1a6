-- Deletes the record of a user's deletion when no row that the deletion includes is left.
delete from user_erasures e
where e.user_id = %(user_id)s
    and not exists (
        select from conversations c where c.user_id = e.user_id and coalesce(c.serial, 0) <= e.serial
    )
    and not exists (
        select from thread_owners o where o.user_id = e.user_id and coalesce(o.serial, 0) <= e.serial
    )
