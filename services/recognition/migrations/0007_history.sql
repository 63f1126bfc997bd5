-- What history keeps of core values and recognitions.
SELECT record_history('core_values', 'core_values', '{text, description, parent_core_value_id, thumbnail}');
SELECT record_history(
    'recognitions', 'recognitions',
    '{given_by, given_for, core_value_id, text, given_at, imported, hidden, deleted_at, deleted_by}',
    '{"hidden": ["hidden", "restored"], "deleted_at": ["deleted", "restored"]}'
);
