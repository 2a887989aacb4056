-- A batch on legal hold loses nothing: who put it there, since when, and why.
ALTER TABLE batches
    ADD COLUMN held_at timestamptz,
    ADD COLUMN held_by uuid REFERENCES users (id),
    ADD COLUMN hold_reason text NOT NULL DEFAULT '',
    -- Its removal for good has begun: nobody sees it any more, and nothing brings it back.
    ADD COLUMN purge_begun_at timestamptz,
    -- All of its files are gone. The row stays for the trail.
    ADD COLUMN purged_at timestamptz,
    ADD CONSTRAINT batches_hold_whole CHECK ((held_at IS NULL) = (held_by IS NULL) AND (held_at IS NOT NULL OR hold_reason = '')),
    ADD CONSTRAINT batches_hold_reason_length CHECK (char_length(hold_reason) <= 500),
    ADD CONSTRAINT batches_purged_in_order CHECK (
        (purge_begun_at IS NULL OR trashed_at IS NOT NULL) AND (purged_at IS NULL OR purge_begun_at IS NOT NULL));
CREATE INDEX batches_held_by ON batches (held_by);
CREATE INDEX batches_purging ON batches (id) WHERE purge_begun_at IS NOT NULL AND purged_at IS NULL;

-- What is purged is out of the trash, and its number is free again.
DROP INDEX batches_trashed;
CREATE INDEX batches_trashed ON batches (trashed_at DESC, id DESC) WHERE trashed_at IS NOT NULL AND purge_begun_at IS NULL;
DROP INDEX batches_number_in_site;
CREATE UNIQUE INDEX batches_number_in_site ON batches (site_id, lower(number)) WHERE purged_at IS NULL;

-- Files of a site are kept at least this long, in the trash too; 0: as long as the trash keeps them.
ALTER TABLE sites
    ADD COLUMN keep_years integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT sites_keep_years_sane CHECK (keep_years BETWEEN 0 AND 100);

-- Files whose removal for good has begun. What a crash interrupts is taken up again from here.
CREATE TABLE purges (
    attachment_id uuid PRIMARY KEY REFERENCES attachments (id) ON DELETE CASCADE,
    begun_at timestamptz NOT NULL
);
