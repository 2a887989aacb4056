DROP INDEX uploads_open_of_user;
