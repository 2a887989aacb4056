-- What a file is to its batch, and what people say about it. Adding columns with constant defaults is instant.
ALTER TABLE attachments
    ADD COLUMN kind text NOT NULL DEFAULT 'other',
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD CONSTRAINT attachments_kind_known CHECK (kind IN ('photo', 'certificate', 'batch_record', 'label', 'other')),
    ADD CONSTRAINT attachments_note_length CHECK (char_length(note) <= 2000);
UPDATE attachments SET kind = 'photo' WHERE content_type LIKE 'image/%';

-- One index for each order in which a batch shows its files; `attachments_in_batch` is the order by time. Not built
-- CONCURRENTLY: that waits for other instances, and they wait for this migration.
CREATE INDEX attachments_by_name ON attachments (batch_id, lower(original_name), id);
CREATE INDEX attachments_by_size ON attachments (batch_id, size_bytes, id);
CREATE INDEX attachments_by_kind ON attachments (batch_id, kind, uploaded_at DESC, id DESC);
