-- Maintenance windows of the installation as auth's events tell of them. They belong to no tenant; every process reads the
-- planned ones four times a second. Rows of removed ones stay, so that an older event does not bring them back.
CREATE TABLE maintenance_windows (
    id bigint PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    message text NOT NULL,
    removed boolean NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX maintenance_windows_planned ON maintenance_windows (ends_at) WHERE NOT removed;

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON maintenance_windows TO %I', 'peerly_' || current_schema());
END
$$;
