DROP INDEX audit_events_unsealed;
DROP INDEX audit_events_of_seal;
ALTER TABLE audit_events DROP COLUMN seal_id;
DROP TABLE audit_seals;
