ALTER TABLE attachments
    DROP CONSTRAINT attachments_uploader_name_length,
    DROP COLUMN uploader_name;
