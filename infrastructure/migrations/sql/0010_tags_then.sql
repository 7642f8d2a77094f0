-- What the tags of an organization were called at some time: lists of the past look by these names.
create index events_tags on log.events (organization_id, position) where topic like 'tag.%';
