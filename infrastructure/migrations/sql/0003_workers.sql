-- What follows from events: which reactions are due, done or given up.  Redis carries jobs; what must not be lost is here.

create schema workers;

-- How far the log has been looked through for reactions.  Whoever looks holds this row.
create table workers.relay (
    only_row boolean primary key default true check (only_row),
    position bigint  not null
);
-- What happened before there were workers is not reacted to.
insert into workers.relay (position) select coalesce(max(position), 0) from log.events;

-- One row for each event and reaction to it, made in the transaction that moves the relay.
create table workers.reactions (
    id          uuid        not null unique default gen_random_uuid(),
    position    bigint      not null,
    reaction    text        not null,            -- `feature.verb`
    queue       text        not null,
    state       text        not null default 'due' check (state in ('due', 'running', 'done', 'failed', 'skipped')),
    attempts    integer     not null default 0,  -- begun ones since it became due, or was retried by hand
    next_at     timestamptz not null default now(),
    enqueued_at timestamptz,                     -- when it was last put on Redis; null: is to be put there
    worker      uuid,                            -- who runs it
    lease_until timestamptz,                     -- renewed while that process lives; then anybody may run it
    error       text,
    reason      text,                            -- why it is skipped
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    primary key (position, reaction)
) with (fillfactor = 70);
create index reactions_due on workers.reactions (next_at) where state = 'due';
create index reactions_running on workers.reactions (worker) where state = 'running';
create index reactions_failed on workers.reactions (position) where state = 'failed';
create index reactions_finished on workers.reactions (finished_at) where state in ('done', 'skipped');

-- Mails that were handed over, or were about to be: so that a reaction that runs again sends what is missing and no more.
create table workers.mails (
    message_id text        primary key,   -- also its Message-ID
    begun_at   timestamptz not null default now(),
    sent_at    timestamptz                -- null: it is not known whether the mail server took it
);
create index mails_begun_at on workers.mails (begun_at);

-- Outcomes counted since the beginning, for the metrics.
create table workers.outcomes (
    reaction text   not null,
    outcome  text   not null,             -- done, retried, failed, skipped
    total    bigint not null,
    primary key (reaction, outcome)
) with (fillfactor = 50);

grant usage on schema workers to trialog_app;
grant select, insert, update, delete on workers.reactions, workers.mails, workers.outcomes to trialog_app;
grant select, update on workers.relay to trialog_app;
