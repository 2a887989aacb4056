DROP TABLE preview_turns;
DROP INDEX jobs_due_others;
DROP INDEX jobs_due_previews;
ALTER TABLE jobs DROP COLUMN fair_key;
