-- Erasure: the event and the destruction of the key are one transaction, whoever appends it and by whatever way.
-- Topics of the domain: the stream of `user.erased` is the person, that of `reservation.erased` an address which was theirs.
create function log.destroy_key() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- A row even where there was no key: none can be made any more.
    insert into log.subject_keys as k (subject_id, wrapped_key, destroyed_at) values (new.stream_id, null, new.recorded_at)
    on conflict (subject_id) do update set wrapped_key = null, destroyed_at = excluded.destroyed_at where k.wrapped_key is not null;
    return null;
end $$;

revoke all on function log.destroy_key() from public;

create trigger events_erase after insert on log.events for each row when (new.topic in ('user.erased', 'reservation.erased')) execute function log.destroy_key();
alter table log.events enable always trigger events_erase;

-- Which invitations went to an address: they are taken back when its owner is erased.
create index events_invitations on log.events ((data::jsonb ->> 'address_id')) where topic = 'organization.member_invited';
