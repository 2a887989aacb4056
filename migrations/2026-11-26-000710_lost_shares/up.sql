-- Share links end for good with their maker's right to share. Those whose maker had lost it before that was so end here,
-- each with its event, as if Stillage had done it at this moment.
WITH ended AS (
    UPDATE share_links SET revoked_at = now()
      FROM users, batches
     WHERE users.id = share_links.created_by AND batches.id = share_links.batch_id
       AND share_links.revoked_at IS NULL AND share_links.expires_at > now()
       AND (users.disabled_at IS NOT NULL OR users.role = 'viewer'
            OR (users.role <> 'admin' AND NOT EXISTS (
                SELECT FROM site_members
                 WHERE site_members.user_id = users.id AND site_members.site_id = batches.site_id)))
    RETURNING share_links.id, share_links.batch_id, share_links.attachment_id
)
INSERT INTO audit_events (at, actor, action, subject, batch_id, attachment_id, details)
SELECT now(), 'system', 'share.revoke',
       coalesce('attachment:' || attachment_id, 'batch:' || batch_id), batch_id, attachment_id,
       jsonb_build_object('share', id, 'why', 'maker_lost_access')
  FROM ended;
-- Ending somebody's links looks at the living ones, however many there were.
CREATE INDEX share_links_living_of_maker ON share_links (created_by) WHERE revoked_at IS NULL;
