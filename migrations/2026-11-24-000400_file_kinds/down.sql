DROP INDEX attachments_by_kind;
DROP INDEX attachments_by_size;
DROP INDEX attachments_by_name;
ALTER TABLE attachments
    DROP CONSTRAINT attachments_note_length,
    DROP CONSTRAINT attachments_kind_known,
    DROP COLUMN note,
    DROP COLUMN kind;
