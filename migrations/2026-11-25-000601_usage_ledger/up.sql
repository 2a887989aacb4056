-- What came, went and was handed out, one row for each change and type of file, written with the change. Nothing is
-- ever updated, so that no two changes wait for each other. From time to time the rows of a day are replaced by
-- their sums, so that the sum over the table stays what it is while its rows stay few.
CREATE TABLE usage_ledger (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- In UTC.
    day date NOT NULL,
    op text NOT NULL,
    -- Neither site nor uploader is a foreign key: each would lock the one row of its site with every change.
    site uuid NOT NULL,
    content_type text NOT NULL,
    -- Of uploads only.
    uploader uuid,
    files bigint NOT NULL,
    bytes bigint NOT NULL,
    is_sum boolean NOT NULL DEFAULT false,
    CONSTRAINT usage_ledger_op_known CHECK (op IN ('upload', 'trash', 'restore', 'purge', 'download', 'part', 'view')),
    CONSTRAINT usage_ledger_not_negative CHECK (files >= 0 AND bytes >= 0)
);
CREATE INDEX usage_ledger_by_day ON usage_ledger (day);
CREATE INDEX usage_ledger_single ON usage_ledger (day) WHERE NOT is_sum;

-- The largest batches of one site.
CREATE INDEX batches_by_size_in_site ON batches (site_id, bytes_total DESC, id DESC) WHERE trashed_at IS NULL;

-- What is there already. A purged file keeps the day it came into the trash as the day of its purge: no other is known.
WITH known AS (
    SELECT b.site_id AS site, a.content_type, a.uploaded_by, a.size_bytes, a.state, a.uploaded_at,
           coalesce(a.trashed_at, b.trashed_at) AS trashed_at
      FROM attachments a JOIN batches b ON b.id = a.batch_id
), changes AS (
    SELECT 'upload' AS op, uploaded_at AS at, uploaded_by AS uploader, * FROM known
    UNION ALL
    SELECT 'trash', trashed_at, NULL, * FROM known WHERE trashed_at IS NOT NULL
    UNION ALL
    SELECT 'purge', trashed_at, NULL, * FROM known WHERE state = 'purged'
)
INSERT INTO usage_ledger (day, op, site, content_type, uploader, files, bytes, is_sum)
SELECT (at AT TIME ZONE 'UTC')::date, op, site, content_type, uploader, count(*), sum(size_bytes)::bigint, true
  FROM changes GROUP BY 1, 2, 3, 4, 5;
