-- Whose document a job is for, so that previews are made for all uploaders in turn; nil for jobs that are nobody's, and
-- so no reference to a row.
ALTER TABLE jobs ADD COLUMN fair_key uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
UPDATE jobs SET fair_key = attachments.uploaded_by
  FROM attachments
 WHERE jobs.kind = 'make_previews' AND attachments.id = (jobs.payload ->> 'attachment')::uuid;

CREATE INDEX jobs_due_previews ON jobs (fair_key, run_at) WHERE state = 'waiting' AND kind = 'make_previews';
-- The other jobs, so that looking for them does not step over a backlog of previews.
CREATE INDEX jobs_due_others ON jobs (run_at)
    WHERE state = 'waiting' AND kind <> 'make_previews' AND kind NOT LIKE 'copy\_%';

-- When a preview was last begun for each uploader.
CREATE TABLE preview_turns (
    fair_key uuid PRIMARY KEY,
    served_at timestamptz NOT NULL
);
