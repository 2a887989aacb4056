-- What a person sees of their sessions: a name for each that opens nothing, and where it is used.
ALTER TABLE sessions
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN user_agent text NOT NULL DEFAULT '',
    ADD COLUMN address text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX sessions_id ON sessions (id);

ALTER TABLE users
    -- NULL: never signed in.
    ADD COLUMN last_seen_at timestamptz,
    -- NULL: has none that anybody knows; a link is the way to the first one.
    ADD COLUMN password_set_at timestamptz;
UPDATE users SET password_set_at = created_at;

-- One-time links to choose a password: at most one a person, the newest.
CREATE TABLE password_links (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token: reading this table opens no link.
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX password_links_token ON password_links (token_hash);
