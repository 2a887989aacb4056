DROP INDEX batches_by_size_in_site;
DROP TABLE usage_ledger;
