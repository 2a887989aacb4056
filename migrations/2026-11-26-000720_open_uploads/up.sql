-- How many uploads a person has not finished; those that are over stay for a week.
CREATE INDEX uploads_open_of_user ON uploads (user_id) WHERE state = 'open';
