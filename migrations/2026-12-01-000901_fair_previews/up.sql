-- Whose document a job is for, so that previews are made for all uploaders in turn; nil for jobs that are nobody's.
ALTER TABLE jobs ADD COLUMN owner_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
UPDATE jobs SET owner_id = attachments.uploaded_by
  FROM attachments
 WHERE jobs.kind = 'make_previews' AND attachments.id = (jobs.payload ->> 'attachment')::uuid;

CREATE INDEX jobs_due_previews ON jobs (owner_id, run_at) WHERE state = 'waiting' AND kind = 'make_previews';
-- The other jobs, so that looking for them does not step over a backlog of previews.
CREATE INDEX jobs_due_others ON jobs (run_at)
    WHERE state = 'waiting' AND kind <> 'make_previews' AND kind NOT LIKE 'copy\_%';

-- When a preview was last begun for each uploader.
CREATE TABLE preview_turns (
    owner_id uuid PRIMARY KEY,
    served_at timestamptz NOT NULL
);
