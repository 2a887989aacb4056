DROP TABLE purges;
ALTER TABLE sites DROP COLUMN keep_years;
DROP INDEX batches_number_in_site;
CREATE UNIQUE INDEX batches_number_in_site ON batches (site_id, lower(number));
DROP INDEX batches_trashed;
CREATE INDEX batches_trashed ON batches (trashed_at DESC, id DESC) WHERE trashed_at IS NOT NULL;
ALTER TABLE batches
    DROP CONSTRAINT batches_purged_in_order,
    DROP CONSTRAINT batches_hold_reason_length,
    DROP CONSTRAINT batches_hold_whole,
    DROP COLUMN purged_at,
    DROP COLUMN purge_begun_at,
    DROP COLUMN hold_reason,
    DROP COLUMN held_by,
    DROP COLUMN held_at;
