-- Records that PostgreSQL and the sweep are up now (`beat_at`), and since when they have been up without a gap or a
-- restart (`healthy_since`).
insert into drain_health as h (id, healthy_since, beat_at)
values (1, clock_timestamp(), clock_timestamp())
on conflict (id) do update set
    healthy_since = case
        when h.beat_at < greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())
            -- `healthy_since` was recorded while the server's clock was ahead.
            or h.healthy_since > clock_timestamp()
            then clock_timestamp()
        else h.healthy_since
    end,
    beat_at = clock_timestamp()
