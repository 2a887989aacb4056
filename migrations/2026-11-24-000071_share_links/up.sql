CREATE TABLE share_links (
    id uuid PRIMARY KEY,
    -- SHA-256 of the link's token: 128 random bits need no slow hash, and reading this table opens nothing.
    token_hash bytea NOT NULL,
    batch_id uuid NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    -- NULL: the whole batch.
    attachment_id uuid REFERENCES attachments (id) ON DELETE CASCADE,
    created_by uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    password_hash text,
    max_downloads integer,
    downloads integer NOT NULL DEFAULT 0,
    revoked_at timestamptz,
    CONSTRAINT share_links_hash_length CHECK (octet_length(token_hash) = 32),
    CONSTRAINT share_links_never_beyond_limit CHECK (downloads >= 0 AND downloads <= coalesce(max_downloads, downloads))
);
CREATE UNIQUE INDEX share_links_token ON share_links (token_hash);
CREATE INDEX share_links_batch ON share_links (batch_id, id DESC);
CREATE INDEX share_links_attachment ON share_links (attachment_id, id DESC);
CREATE INDEX share_links_created_by ON share_links (created_by);
