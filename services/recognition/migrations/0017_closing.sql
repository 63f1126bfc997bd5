-- Where in its changes an allowance was closed: clocks may step back, its numbers do not. Null while it is open, and of those
-- that were closed before this was kept.
ALTER TABLE allowances ADD COLUMN closed_seq bigint;
GRANT UPDATE (closed_seq) ON allowances TO peerly_recognition;

-- Triggers look up names in this schema, whatever is on the path of whoever changes a row.
ALTER FUNCTION keep_named_core_value() SET search_path = recognition, pg_temp;
ALTER FUNCTION leave_content() SET search_path = recognition, pg_temp;
ALTER FUNCTION take_files_along() SET search_path = recognition, pg_temp;
