-- Functions in SQL that hold a query are planned anew by every statement that calls them; PL/pgSQL keeps their plans.

CREATE OR REPLACE FUNCTION adjusted_in(of_user bigint, window_of tstzrange) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT coalesce(sum(amount), 0)::bigint FROM adjustments
        WHERE org_id = tenant() AND user_id = of_user AND at >= lower(window_of) AND at < upper(window_of)
    );
END $$;

CREATE OR REPLACE FUNCTION newest_limit() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT hi5_limit FROM policies WHERE org_id = tenant() ORDER BY version DESC LIMIT 1);
END $$;
