-- What queries of clients walk along. Each order of a list has an index without the rows that nobody sees.
CREATE INDEX recognitions_visible ON recognitions (org_id, id) WHERE NOT hidden AND deleted_at IS NULL;
CREATE INDEX core_values_by_text ON core_values (org_id, text_key COLLATE "C", id);
CREATE INDEX core_values_by_parent ON core_values (org_id, parent_core_value_id, id);
