DROP INDEX batches_empty;
