-- What has ended stays ended.
DROP INDEX share_links_living_of_maker;
