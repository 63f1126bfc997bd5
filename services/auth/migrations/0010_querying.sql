-- What queries of clients walk along besides the indexes of names and roles.
CREATE INDEX users_present_by_creation ON users (org_id, created_at, id) WHERE soft_delete_at IS NULL;
