-- The chain over the trail: each seal covers its events and the seal before it.
CREATE TABLE audit_seals (
    -- 1, 2, 3, … without a gap.
    id bigint PRIMARY KEY,
    sealed_at timestamptz NOT NULL,
    events_count bigint NOT NULL,
    -- Merkle tree hash of the events (RFC 9162, 2.1.1).
    root bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_seals_id_positive CHECK (id > 0),
    CONSTRAINT audit_seals_not_empty CHECK (events_count > 0),
    CONSTRAINT audit_seals_hash_lengths CHECK (octet_length(root) = 32 AND octet_length(previous) = 32 AND octet_length(hash) = 32)
);

ALTER TABLE audit_events ADD COLUMN seal_id bigint REFERENCES audit_seals (id);
CREATE INDEX audit_events_of_seal ON audit_events (seal_id, id);
CREATE INDEX audit_events_unsealed ON audit_events (id) WHERE seal_id IS NULL;
