DROP INDEX jobs_due_copies;
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'waiting';
DROP INDEX attachment_copies_stale;
ALTER TABLE attachment_copies DROP COLUMN last_error;
