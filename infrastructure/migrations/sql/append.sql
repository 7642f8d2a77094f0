-- log.append: writes a batch of appends in one transaction, each whole or not at all.
--
-- p_batch   [[append_id, session_id | null, receipt | null, [[stream_id, expected | null, [event, ...]], ...]], ...]
--   event     [topic, topic_version, organization_id | null, actor_id | null, data, metadata]
--   receipt   [caller_id, key, fingerprint, outcome]
--   expected  the version the stream must have: 0 a new stream (its first event gets version 1), -1 a new stream counted
--             from 0, null any.  Within one batch no stream that is written and no receipt key may occur twice: the
--             caller sees to it.
-- p_resolve  look for each append_id first: the batch may have been stored by a connection that died at COMMIT.
--
-- Answers one row per append: its number in the batch from 1, the outcome, its first position (without events: the one that
-- its receipt keeps, the head before this batch), that event's time in microseconds since 1970 (each further event of the append is one position and one microsecond later), how many events,
-- and the log's head.  Outcomes: stored · conflict (a stream was not at the expected version) · repeated (the key has a
-- receipt).
--
-- The lock is what makes the log's order its commit order: whoever reads position n sees all below it.
create or replace function log.append(p_batch jsonb, p_resolve boolean default false)
returns table (n bigint, outcome text, first_position bigint, micros bigint, events bigint, head bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Planning these statements costs as much as running them; their best plan does not depend on the batch.
set plan_cache_mode = force_generic_plan
-- The plan is often made while the tables are empty, and kept: a scan that is cheapest then would read them whole later.
set enable_seqscan = off as $$
declare
    v_head bigint;
    v_last timestamptz;
    v_time timestamptz;
    v_new  bigint;
begin
    perform pg_advisory_xact_lock(7426211);
    select e.position, e.recorded_at into v_head, v_last from log.events e order by e.position desc limit 1;
    v_head := coalesce(v_head, 0);
    v_time := greatest(clock_timestamp(), v_last + interval '1 microsecond');

    return query
    with appends as materialized (
        select a.n, (a.j ->> 0)::uuid as append_id, (a.j ->> 1)::uuid as session_id,
               nullif(a.j -> 2, 'null'::jsonb) as receipt, a.j -> 3 as streams
        from jsonb_array_elements(p_batch) with ordinality as a (j, n)
    ), streams as materialized (
        select a.n, a.append_id, s.o, (s.j ->> 0)::uuid as stream_id, (s.j ->> 1)::integer as expected, s.j -> 2 as events,
               (select e.stream_version from log.events e
                 where e.stream_id = (s.j ->> 0)::uuid order by e.stream_version desc limit 1) as current
        from appends a cross join lateral jsonb_array_elements(a.streams) with ordinality as s (j, o)
    ), found as materialized (
        select s.n, min(e.position) as position, min(e.recorded_at) as recorded_at, count(*) as events
        from streams s join log.events e on e.stream_id = s.stream_id and e.append_id = s.append_id
        where p_resolve group by s.n
        union all
        select a.n, r.position, null, 0
        from appends a join log.receipts r
          on r.caller_id = (a.receipt ->> 0)::uuid and r.key = a.receipt ->> 1 and r.append_id = a.append_id
        where p_resolve and jsonb_array_length(a.streams) = 0
    ), verdicts as materialized (
        select a.*,
            case
                when p_resolve and exists (select from found f where f.n = a.n) then 'found'
                when k.created_at > v_time - interval '24 hours' then 'repeated'
                when exists (
                    select from streams s
                    where s.n = a.n and s.expected is not null
                      and not coalesce(s.current = s.expected, s.expected <= 0)) then 'conflict'
                else 'stored'
            end as verdict
        from appends a
        -- One look into the index each; as EXISTS it may be planned as one look at all receipts.
        left join lateral (
            select r.created_at from log.receipts r
            where r.caller_id = (a.receipt ->> 0)::uuid and r.key = a.receipt ->> 1 limit 1
        ) k on true
    ), numbered as materialized (
        select row_number() over (order by v.n, s.o, e.o) as r, v.n, v.append_id, v.session_id, s.stream_id,
               coalesce(s.expected, s.current, 0) + e.o as stream_version, e.j
        from verdicts v
        join streams s on s.n = v.n
        cross join lateral jsonb_array_elements(s.events) with ordinality as e (j, o)
        where v.verdict = 'stored'
    ), written as (
        insert into log.events (position, recorded_at, stream_id, stream_version, topic, topic_version, append_id,
                                organization_id, actor_id, data, metadata)
        select v_head + w.r, v_time + (w.r - 1) * interval '1 microsecond', w.stream_id, w.stream_version, w.j ->> 0,
               (w.j ->> 1)::smallint, w.append_id, (w.j ->> 2)::uuid, (w.j ->> 3)::uuid, w.j ->> 4, w.j ->> 5
        from numbered w
    ), spans as materialized (
        select w.n, w.session_id, min(w.r) as first, count(*) as events from numbered w group by w.n, w.session_id
    ), receipted as (
        insert into log.receipts (caller_id, key, fingerprint, append_id, outcome, position, created_at)
        select (v.receipt ->> 0)::uuid, v.receipt ->> 1, v.receipt ->> 2, v.append_id, v.receipt ->> 3,
               v_head + coalesce((select p.first + p.events - 1 from spans p where p.n = v.n), 0), v_time
        from verdicts v where v.verdict = 'stored' and v.receipt is not null
        on conflict (caller_id, key) do update
            set fingerprint = excluded.fingerprint, append_id = excluded.append_id, outcome = excluded.outcome,
                position = excluded.position, created_at = excluded.created_at
    ), marked as (
        insert into log.session_positions as p (session_id, position, updated_at)
        select w.session_id, v_head + max(w.first + w.events - 1), v_time
        from spans w where w.session_id is not null group by w.session_id
        on conflict (session_id) do update set position = greatest(p.position, excluded.position), updated_at = excluded.updated_at
    )
    select v.n,
           case v.verdict when 'found' then 'stored' else v.verdict end,
           coalesce(v_head + p.first, f.position, v_head),
           (extract(epoch from coalesce(v_time + (p.first - 1) * interval '1 microsecond', f.recorded_at)) * 1000000)::bigint,
           coalesce(p.events, f.events, 0),
           v_head + coalesce((select max(w.r) from numbered w), 0)
    from verdicts v
    left join spans p on p.n = v.n
    left join found f on f.n = v.n
    order by v.n;

    select e.position into v_new from log.events e order by e.position desc limit 1;
    if v_new > v_head then
        -- One wake-up a batch: a NOTIFY in each transaction would make commits wait for each other.
        perform pg_notify('trialog_log', v_new::text);
    end if;
end $$;

revoke all on function log.append(jsonb, boolean) from public;
grant execute on function log.append(jsonb, boolean) to trialog_app;
