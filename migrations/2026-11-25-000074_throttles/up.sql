-- Who guesses how fast, shared by all instances. Worth nothing after a crash, so it costs no WAL.
CREATE UNLOGGED TABLE throttles (
    -- SHA-256 of what is slowed down.
    key bytea PRIMARY KEY,
    -- When all attempts so far are forgotten.
    free_at timestamptz NOT NULL
);

CREATE INDEX throttles_free_at ON throttles (free_at);
