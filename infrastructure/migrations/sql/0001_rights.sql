-- What the application role may do.  It owns nothing in the log.
do $$
begin
    if not exists (select from pg_roles where rolname = 'trialog_app') then
        create role trialog_app login;
    end if;
    -- With one address for both, the owner's login takes the application role on.
    if current_user <> 'trialog_app' and not pg_has_role(current_user, 'trialog_app', 'member') then
        execute format('grant trialog_app to %I', current_user);
    end if;
    execute format('grant connect, temporary on database %I to trialog_app', current_database());
end $$;

grant usage on schema log to trialog_app;
grant select on log.events, log.receipts, log.session_positions, log.snapshots, log.subject_keys to trialog_app;
grant delete on log.receipts, log.session_positions to trialog_app;          -- housekeeping
grant insert, update, delete on log.snapshots to trialog_app;                -- disposable
grant insert, update on log.subject_keys to trialog_app;                     -- made at need, destroyed by erasure

-- Read models and their bookkeeping are the application's own: it makes, swaps and drops their tables.
create schema read_models;
create schema projections;
grant usage, create on schema read_models, projections to trialog_app;
