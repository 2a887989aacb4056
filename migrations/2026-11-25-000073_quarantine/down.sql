DROP INDEX share_links_living;
DROP INDEX audit_events_infected;
DROP INDEX attachments_quarantined;
