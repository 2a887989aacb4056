-- Views and downloads come in many times the number of everything else: the pages that show what changed step over
-- them by indexes that leave them out, and so does the search for words, so that no read ever writes to it.
CREATE INDEX audit_events_changes_of_batch ON audit_events (batch_id, id DESC)
    WHERE batch_id IS NOT NULL AND action NOT IN ('attachment.view', 'attachment.download');
CREATE INDEX audit_events_changes_of_attachment ON audit_events (attachment_id, id DESC)
    WHERE attachment_id IS NOT NULL AND action NOT IN ('attachment.view', 'attachment.download');
CREATE INDEX audit_events_text ON audit_events USING gin (lower(actor || ' ' || details::text) gin_trgm_ops)
    WHERE action NOT IN ('attachment.view', 'attachment.download');

-- Whether somebody looked at a file a moment ago.
CREATE INDEX audit_events_views ON audit_events (attachment_id, actor_id, at DESC) WHERE action = 'attachment.view';

-- What the audit page filters by.
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_action ON audit_events (action, id DESC);
CREATE INDEX audit_events_address ON audit_events (address, id DESC) WHERE address IS NOT NULL;
CREATE INDEX audit_events_nameless ON audit_events (actor, id DESC) WHERE actor_id IS NULL;
CREATE INDEX audit_events_subject ON audit_events (subject, id DESC) WHERE batch_id IS NULL;

-- How each recurring job ended when it last ran; the rows of `jobs` go when they are done.
CREATE TABLE schedule_runs (
    kind text PRIMARY KEY,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    -- Empty when it went well.
    problem text NOT NULL DEFAULT '',
    CONSTRAINT schedule_runs_forward CHECK (ended_at >= began_at)
);

CREATE INDEX jobs_failed ON jobs (run_at, id) WHERE state = 'waiting' AND attempts > 0;
CREATE INDEX jobs_dead ON jobs (updated_at DESC, id DESC) WHERE state = 'dead';
