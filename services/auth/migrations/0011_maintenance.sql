-- Auth plans the maintenance windows: here its own table of them is the record, and this numbers them.
CREATE SEQUENCE maintenance_window_ids AS bigint;
GRANT USAGE ON SEQUENCE maintenance_window_ids TO peerly_auth;

CREATE FUNCTION maintenance_window_document(planned maintenance_windows) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', planned.id,
        'starts_at', epoch_seconds(planned.starts_at),
        'ends_at', epoch_seconds(planned.ends_at),
        'message', planned.message,
        'version', planned.version
    );

SELECT record_history(
    'maintenance_windows', 'maintenance-windows', '{starts_at, ends_at, message, removed}',
    '{"removed": ["deleted", "restored"]}'
);
