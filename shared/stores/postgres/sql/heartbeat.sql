-- Records that PostgreSQL and the sweep are up now (`beat_at`), since when they have been up without a gap or a restart
-- (`healthy_since`), and since when accepted exchanges may be undrained (`undrained_since`). After a gap or a restart,
-- `healthy_since` is the current time if no message can have waited for longer than a short outage. Otherwise it is later
-- by the longer delay of such a message. `undrained_since` stays the same until everything is drained, so outages with
-- too little time for the drain between them count as one. A time that is ahead of the clock was recorded while the clock
-- was wrong, so it counts as unknown.
insert into drain_health as h (id, healthy_since, beat_at)
values (1, clock_timestamp() + make_interval(secs => %(delay)s), clock_timestamp())
on conflict (id) do update set
    healthy_since = case
        when h.beat_at >= greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())
            and h.beat_at <= clock_timestamp()
            then h.healthy_since
        when h.undrained_since >= clock_timestamp() - make_interval(secs => %(short_outage)s)
            and h.undrained_since <= clock_timestamp()
            then clock_timestamp()
        else clock_timestamp() + make_interval(secs => %(delay)s)
    end,
    undrained_since = case
        when h.beat_at >= greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())
            and h.beat_at <= clock_timestamp()
            and h.healthy_since < clock_timestamp() - make_interval(secs => %(drain_age)s)
            then clock_timestamp() - make_interval(secs => %(drain_age)s)
        else h.undrained_since
    end,
    beat_at = clock_timestamp()
