ALTER TABLE two_factors
    -- How many codes in a row were wrong since the last right one.
    ADD COLUMN wrong_codes int NOT NULL DEFAULT 0,
    -- No code of the app counts until then; NULL: nobody has to wait.
    ADD COLUMN wait_until timestamptz,
    ADD CONSTRAINT two_factors_wrong_codes_are_counted CHECK (wrong_codes >= 0);
