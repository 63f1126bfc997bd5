-- Whoever becomes a super admin loses the local password that an admin's link may have set.
GRANT DELETE ON passwords TO peerly_auth;

-- Whose links end with their maker's tokens, in whichever organisation: a super admin gives links to all people.
-- One row a person at most, so the index is there in a moment.
CREATE INDEX password_resets_by_maker ON password_resets (made_by) WHERE made_by IS NOT NULL;
GRANT SELECT (made_by), DELETE ON password_resets TO peerly_auth_definer;
CREATE POLICY forget ON password_resets FOR DELETE TO peerly_auth_definer USING (true);

CREATE FUNCTION forget_links_of(maker bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    DELETE FROM password_resets WHERE made_by = maker
$$;
REVOKE EXECUTE ON FUNCTION forget_links_of(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_links_of(bigint) TO peerly_auth;
ALTER FUNCTION forget_links_of(bigint) OWNER TO peerly_auth_definer;
