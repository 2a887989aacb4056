-- The admin's page lists the few of both among very many.
CREATE INDEX attachments_quarantined ON attachments (id) WHERE state = 'quarantined';
CREATE INDEX audit_events_infected ON audit_events (id) WHERE action = 'attachment.infected';
CREATE INDEX share_links_living ON share_links (id) WHERE revoked_at IS NULL;
