-- Batches that wait for their first file are few, and the list can be narrowed to them.
CREATE INDEX batches_empty ON batches (last_activity_at DESC, id DESC) WHERE trashed_at IS NULL AND files_count = 0;
