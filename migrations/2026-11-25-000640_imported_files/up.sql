-- Who uploaded a file in an older system, when that is nobody with an account here; `uploaded_by` then is the account
-- under which it was imported.
ALTER TABLE attachments
    ADD COLUMN uploader_name text,
    ADD CONSTRAINT attachments_uploader_name_length CHECK (char_length(uploader_name) BETWEEN 1 AND 200);
