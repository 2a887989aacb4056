CREATE TABLE two_factors (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- NULL: its user has not proven yet that an app knows the secret.
    enabled_at timestamptz,
    -- The latest step of 30 s whose code was used: none up to it counts again.
    last_step bigint NOT NULL DEFAULT 0
);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the code: 80 random bits need no slow hash.
    code_hash bytea NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
