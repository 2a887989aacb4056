-- Resumable uploads (tus). A row is made before its staged file and outlives it, so that a client that lost the
-- last answer still learns what became of its upload.
CREATE TABLE uploads (
    -- Also the staged file's name and the first part of the stored name, which is unique: an upload is stored
    -- at most once, whatever is repeated.
    id uuid PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    filename text NOT NULL,
    -- `Upload-Metadata` as the client sent it: HEAD gives it back.
    metadata text NOT NULL,
    length bigint NOT NULL,
    -- Bytes that are durable in the staged file. The last ones count only together with the stored file.
    received bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'open',
    attachment_id uuid REFERENCES attachments (id) ON DELETE CASCADE,
    -- Whoever appends right now; a lease that a crash left behind runs out.
    lease uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT uploads_state_known CHECK (state IN ('open', 'finished', 'expired', 'cancelled')),
    CONSTRAINT uploads_received_sane CHECK (length > 0 AND received BETWEEN 0 AND length),
    CONSTRAINT uploads_finished_whole CHECK ((state = 'finished') = (attachment_id IS NOT NULL)),
    CONSTRAINT uploads_whole_only_finished CHECK ((state = 'finished') = (received = length)),
    CONSTRAINT uploads_lease_whole CHECK ((lease IS NULL) = (lease_until IS NULL))
);
CREATE INDEX uploads_of_batch ON uploads (batch_id);
CREATE INDEX uploads_of_user ON uploads (user_id);
CREATE INDEX uploads_of_attachment ON uploads (attachment_id);
CREATE INDEX uploads_open ON uploads (expires_at) WHERE state = 'open';
CREATE INDEX uploads_over ON uploads (updated_at) WHERE state <> 'open';
