-- Substring search over numbers, products and file names (a trusted extension: the database's owner may create it).
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE sites (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    CONSTRAINT sites_name_length CHECK (char_length(name) BETWEEN 1 AND 80)
);
CREATE UNIQUE INDEX sites_name_key ON sites (lower(name));
CREATE UNIQUE INDEX sites_one_default ON sites (is_default) WHERE is_default;

CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL UNIQUE,
    display_name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_role_known CHECK (role IN ('admin', 'staff', 'viewer')),
    CONSTRAINT users_username_lower CHECK (username = lower(username))
);

CREATE TABLE site_members (
    site_id uuid NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, site_id)
);
CREATE INDEX site_members_site ON site_members (site_id);

CREATE TABLE sessions (
    -- SHA-256 of the session's key: reading this table opens no session.
    key_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    state jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_last_seen ON sessions (last_seen_at);

CREATE TABLE settings (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE batches (
    id uuid PRIMARY KEY,
    site_id uuid NOT NULL REFERENCES sites (id),
    number text NOT NULL,
    product text NOT NULL,
    notes text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'open',
    created_by uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    trashed_at timestamptz,
    trashed_by uuid REFERENCES users (id),
    -- Kept in the transaction that changes a file, so that no page counts files.
    files_count bigint NOT NULL DEFAULT 0,
    pictures_count bigint NOT NULL DEFAULT 0,
    bytes_total bigint NOT NULL DEFAULT 0,
    last_activity_at timestamptz NOT NULL,
    CONSTRAINT batches_status_known CHECK (status IN ('open', 'closed')),
    CONSTRAINT batches_number_length CHECK (char_length(number) BETWEEN 1 AND 80),
    CONSTRAINT batches_product_length CHECK (char_length(product) <= 200),
    CONSTRAINT batches_counts_sane CHECK (files_count >= 0 AND pictures_count BETWEEN 0 AND files_count AND bytes_total >= 0)
);
CREATE UNIQUE INDEX batches_number_in_site ON batches (site_id, lower(number));
CREATE INDEX batches_recent ON batches (last_activity_at DESC, id DESC) WHERE trashed_at IS NULL;
CREATE INDEX batches_recent_in_site ON batches (site_id, last_activity_at DESC, id DESC) WHERE trashed_at IS NULL;
CREATE INDEX batches_made ON batches (created_at DESC, id DESC) WHERE trashed_at IS NULL;
CREATE INDEX batches_by_number ON batches (lower(number), id) WHERE trashed_at IS NULL;
CREATE INDEX batches_by_size ON batches (bytes_total DESC, id DESC) WHERE trashed_at IS NULL;
CREATE INDEX batches_trashed ON batches (trashed_at DESC, id DESC) WHERE trashed_at IS NOT NULL;
CREATE INDEX batches_text ON batches USING gin (lower(number || ' ' || product) gin_trgm_ops);
CREATE INDEX batches_created_by ON batches (created_by);
CREATE INDEX batches_trashed_by ON batches (trashed_by);

CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES batches (id),
    -- The file's name in the store, `{uuid}_{name}`; the original name, untouched, beside it.
    stored_name text NOT NULL UNIQUE,
    original_name text NOT NULL,
    content_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    width integer,
    height integer,
    state text NOT NULL DEFAULT 'available',
    scan text NOT NULL DEFAULT 'skipped',
    uploaded_by uuid NOT NULL REFERENCES users (id),
    uploaded_at timestamptz NOT NULL,
    trashed_at timestamptz,
    trashed_by uuid REFERENCES users (id),
    CONSTRAINT attachments_state_known CHECK (state IN ('available', 'missing', 'corrupt', 'quarantined', 'trashed', 'purged')),
    CONSTRAINT attachments_scan_known CHECK (scan IN ('clean', 'skipped', 'pending', 'infected')),
    CONSTRAINT attachments_size_positive CHECK (size_bytes > 0),
    CONSTRAINT attachments_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT attachments_trashed_whole CHECK ((state IN ('trashed', 'purged')) = (trashed_at IS NOT NULL))
);
CREATE INDEX attachments_in_batch ON attachments (batch_id, uploaded_at DESC, id DESC);
CREATE INDEX attachments_name ON attachments USING gin (lower(original_name) gin_trgm_ops);
CREATE INDEX attachments_trashed ON attachments (trashed_at DESC, id DESC) WHERE state = 'trashed';
CREATE INDEX attachments_uploaded_by ON attachments (uploaded_by);
CREATE INDEX attachments_trashed_by ON attachments (trashed_by);

CREATE TABLE attachment_copies (
    attachment_id uuid NOT NULL REFERENCES attachments (id) ON DELETE CASCADE,
    place text NOT NULL,
    state text NOT NULL,
    verified_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (attachment_id, place),
    CONSTRAINT attachment_copies_place_known CHECK (place IN ('local', 'cloud')),
    CONSTRAINT attachment_copies_state_known CHECK (state IN ('pending', 'present', 'missing', 'corrupt', 'failed'))
);
CREATE INDEX attachment_copies_troubled ON attachment_copies (place, state) WHERE state <> 'present';

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    -- At most one living job per key: what is scheduled twice runs once.
    dedupe_key text,
    run_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    leased_by uuid,
    lease_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT jobs_state_known CHECK (state IN ('waiting', 'running', 'dead')),
    CONSTRAINT jobs_lease_whole CHECK ((state = 'running') = (leased_by IS NOT NULL AND lease_until IS NOT NULL))
);
CREATE UNIQUE INDEX jobs_dedupe ON jobs (dedupe_key) WHERE state <> 'dead';
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'waiting';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';

CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    actor_id uuid REFERENCES users (id),
    address text,
    action text NOT NULL,
    subject text NOT NULL,
    batch_id uuid REFERENCES batches (id),
    attachment_id uuid REFERENCES attachments (id),
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_of_batch ON audit_events (batch_id, id DESC) WHERE batch_id IS NOT NULL;
CREATE INDEX audit_events_of_attachment ON audit_events (attachment_id, id DESC) WHERE attachment_id IS NOT NULL;
CREATE INDEX audit_events_of_actor ON audit_events (actor_id, id DESC) WHERE actor_id IS NOT NULL;
