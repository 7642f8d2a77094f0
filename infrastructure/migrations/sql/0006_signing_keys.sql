-- Keys that access tokens are signed with.  The application role makes the first one; rotating and retiring is the owner's.
create table log.signing_keys (
    key_id      text        primary key,   -- the `kid` of the tokens
    algorithm   text        not null,      -- HS256, RS256 or EdDSA
    wrapped_key bytea,                     -- wrapped with a key that follows from SECRET_KEY; null: the key itself follows from it
    created_at  timestamptz not null default clock_timestamp(),
    signs_from  timestamptz not null,      -- a little later than it is known everywhere
    retires_at  timestamptz                -- from then on its tokens are worth nothing
);
grant select, insert on log.signing_keys to trialog_app;
