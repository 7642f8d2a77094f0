-- Bookkeeping of the read models.  Their tables are made by the projector itself, in the schema `read_models`.

-- How far each generation has read the log: one narrow row, rewritten by every batch.  The live generation goes by the
-- model's name, others by `<model>__g<generation>`; a swap renames them together with the tables.
create table projections.checkpoints (
    name       text    primary key,
    generation integer not null,
    epoch      bigint  not null default 0,  -- fencing: whoever holds another number may not write
    position   bigint  not null default 0,  -- of the last event that the rows know
    seen       bigint  not null default 0   -- events counted one by one: equals the log's head at rest, or something was skipped
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table projections.models (
    model         text        primary key,
    paused        boolean     not null default false,
    leader        text,                             -- which process leads it
    beat_at       timestamptz,                      -- when that process was last heard of
    rate          real        not null default 0,   -- events/s over its last seconds
    last_error    text,
    last_error_at timestamptz
) with (fillfactor = 50);

create table projections.generations (
    model       text        not null references projections.models,
    generation  integer     not null,
    version     integer     not null,    -- as declared when it was made
    shape       text        not null,    -- fingerprint of its tables
    tables      text[]      not null,    -- as declared when it was made; stored as `<table>__g<generation>` while not live
    status      text        not null check (status in ('live', 'building', 'retired')),
    created_at  timestamptz not null default now(),
    swapped_at  timestamptz,             -- when it last became live or stopped being so
    primary key (model, generation)
);
create unique index generations_one_live on projections.generations (model) where status = 'live';

create table projections.jobs (
    id           uuid        primary key default gen_random_uuid(),
    model        text        not null references projections.models,
    kind         text        not null check (kind in ('rebuild', 'rollback')),
    status       text        not null default 'queued'
                 check (status in ('queued', 'running', 'cancelling', 'completed', 'failed', 'cancelled')),
    phase        text        not null default 'queued',
    generation   integer,                          -- the one it makes live
    declaration  text,                             -- what it is to build, `<version>.<shape>`; null: whatever is declared
    verify       boolean     not null default false,
    events_done  bigint      not null default 0,
    events_total bigint      not null default 0,
    rate         real        not null default 0,   -- events/s
    rows_live    bigint,                           -- counts at the check
    rows_new     bigint,
    checksum     text,
    attempts     integer     not null default 0,
    error        text,
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    beat_at      timestamptz                       -- last sign of life of whoever runs it
) with (fillfactor = 50);
create unique index jobs_one_at_a_time on projections.jobs (model) where status in ('queued', 'running', 'cancelling');
create index jobs_created_at on projections.jobs (created_at);

-- Events that could not be projected, and those of the same stream that queue behind them.
create table projections.parked_events (
    id         uuid        not null unique default gen_random_uuid(),
    model      text        not null,
    generation integer     not null,
    position   bigint      not null,
    stream_id  uuid        not null,
    topic      text        not null,
    state      text        not null check (state in ('parked', 'waiting', 'retrying', 'skipping')),
    error      text,                               -- null: waits behind another one
    attempts   integer     not null default 1,
    reason     text,                               -- why it is skipped
    parked_at  timestamptz not null default now(),
    primary key (model, generation, position)
);
create index parked_events_stream on projections.parked_events (model, generation, stream_id, position);

-- Events that an administrator decided to leave out; rebuilds leave them out too.
create table projections.skipped_events (
    model      text        not null,
    position   bigint      not null,
    reason     text        not null,
    skipped_at timestamptz not null default now(),
    primary key (model, position)
);

-- Moves the checkpoints of one batch, in the transaction that writes its rows.  The fence: a leader whose epoch is not the
-- newest, or who is not where the checkpoint is, fails here and writes nothing.  One wake-up for all models of the batch.
create function projections.advance(p_names text[], p_epochs bigint[], p_from bigint, p_to bigint, p_seen bigint)
returns void language plpgsql as $$
declare
    v_moved integer;
begin
    update projections.checkpoints c set position = p_to, seen = c.seen + p_seen
    from unnest(p_names, p_epochs) as mine (name, epoch)
    where c.name = mine.name and c.epoch = mine.epoch and c.position = p_from;
    get diagnostics v_moved = row_count;
    if v_moved <> cardinality(p_names) then
        raise exception 'no longer leading % from position %', p_names, p_from using errcode = 'TL001';
    end if;
    perform pg_notify('trialog_projections', array_to_string(p_names, ',') || ':' || p_to);
end $$;

grant select, insert, update, delete on all tables in schema projections to trialog_app;
revoke all on function projections.advance(text[], bigint[], bigint, bigint, bigint) from public;
grant execute on function projections.advance(text[], bigint[], bigint, bigint, bigint) to trialog_app;
