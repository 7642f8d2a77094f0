-- The log and what is written in its transaction.
-- Runs as the owner role.  `trialog_app` (what the four processes log in as) may read, and may append through log.append alone.

create schema log;

-- One row per event.  `data` and `metadata` keep the exact text that was written: it is what gets hashed.
create table log.events (
    position        bigint      primary key,          -- gap-free from 1; the log's order is its commit order
    recorded_at     timestamptz not null,             -- database clock, strictly increasing along the log
    stream_id       uuid        not null,
    stream_version  integer     not null,
    topic           text        not null,             -- permanent name, `task.created`
    topic_version   smallint    not null default 1,   -- which shape of that name
    append_id       uuid        not null,             -- which append wrote it: resolves a connection lost at COMMIT
    organization_id uuid,
    actor_id        uuid,
    data            text        not null,
    metadata        text        not null,
    constraint events_stream_version unique (stream_id, stream_version)
);

-- The audit log of one organization, newest first.
create index events_organization on log.events (organization_id, position);
-- Whatever gives or ends somebody's rights: followers read it at start and on every wake-up.
create index events_rights on log.events (position) where topic like 'session.%' or topic like 'organization.%' or topic like 'user.%';
-- Which position a time names.
create index events_recorded_at on log.events using brin (recorded_at) with (pages_per_range = 32, autosummarize = on);

-- Answers given under an idempotency key, in the transaction of their events.
create table log.receipts (
    caller_id   uuid        not null,
    key         text        not null,
    fingerprint text        not null,
    append_id   uuid        not null,
    outcome     text        not null,   -- JSON: enough to give the same answer again
    position    bigint      not null,
    created_at  timestamptz not null,
    primary key (caller_id, key)
);
create index receipts_created_at on log.receipts (created_at);

-- The last position each login session wrote: what makes reading one's own writes strict.
create table log.session_positions (
    session_id uuid        primary key,
    position   bigint      not null,
    updated_at timestamptz not null
) with (fillfactor = 50);

-- Aggregates folded so far; disposable.
create table log.snapshots (
    stream_id      uuid        primary key,
    stream_version integer     not null,
    topic          text        not null,
    state          bytea       not null,
    taken_at       timestamptz not null default now()
);

-- One key for each person's personal data, wrapped by the master key; destroying it is the erasure.
create table log.subject_keys (
    subject_id   uuid        primary key,
    wrapped_key  bytea,
    created_at   timestamptz not null default now(),
    destroyed_at timestamptz,
    constraint destroyed_means_gone check ((wrapped_key is null) = (destroyed_at is not null))
);

create function log.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end $$;

create trigger events_are_immutable before update or delete on log.events for each row execute function log.refuse_change();
create trigger events_are_never_truncated before truncate on log.events for each statement execute function log.refuse_change();
alter table log.events enable always trigger events_are_immutable;
alter table log.events enable always trigger events_are_never_truncated;
