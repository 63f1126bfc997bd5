-- Triggers look up names in this schema, whatever is on the path of whoever changes a row.
ALTER FUNCTION refuse_change() SET search_path = quota, pg_temp;
ALTER FUNCTION refuse_imbalance() SET search_path = quota, pg_temp;
