-- Which ids comments and time entries have: a client that makes an id must not make one of these.
create index events_entries on log.events ((coalesce(data::jsonb ->> 'comment_id', data::jsonb ->> 'entry_id')))
    where topic in ('task.commented', 'task.time_logged');
