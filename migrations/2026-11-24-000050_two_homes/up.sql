-- Why a copy is not there yet, in one line for an admin.
ALTER TABLE attachment_copies ADD COLUMN last_error text;

-- The scrub takes the copies that were read the longest ago.
CREATE INDEX attachment_copies_stale ON attachment_copies (verified_at NULLS FIRST, attachment_id) WHERE state = 'present';

-- Jobs about copies wait for disks and networks: they have a lane of their own, so that a cloud that stalls
-- holds nothing else up. The predicates are those of the claim.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'waiting' AND kind NOT LIKE 'copy\_%';
CREATE INDEX jobs_due_copies ON jobs (run_at) WHERE state = 'waiting' AND kind LIKE 'copy\_%';
