-- A job may rebuild the rows of one stream alone, inside the live generation.
alter table projections.jobs add column stream_id uuid;

-- The topics that fed a generation.  A program that projects more than these builds it anew: its rows lack the facts of old.
-- Null: made before this was kept.
alter table projections.generations add column topics text[];
