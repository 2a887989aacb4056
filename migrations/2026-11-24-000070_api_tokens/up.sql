CREATE TABLE api_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- SHA-256 of the token: 256 random bits need no slow hash, and reading this table opens nothing.
    token_hash bytea NOT NULL,
    scope text NOT NULL,
    -- NULL: every site that its user sees.
    site_id uuid REFERENCES sites (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_tokens_scope_known CHECK (scope IN ('read', 'upload', 'admin')),
    CONSTRAINT api_tokens_name_length CHECK (char_length(name) BETWEEN 1 AND 80),
    CONSTRAINT api_tokens_hash_length CHECK (octet_length(token_hash) = 32)
);
CREATE UNIQUE INDEX api_tokens_hash ON api_tokens (token_hash);
CREATE INDEX api_tokens_user ON api_tokens (user_id, id DESC);
CREATE INDEX api_tokens_site ON api_tokens (site_id);
