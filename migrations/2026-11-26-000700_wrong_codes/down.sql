ALTER TABLE two_factors
    DROP COLUMN wait_until,
    DROP COLUMN wrong_codes;
