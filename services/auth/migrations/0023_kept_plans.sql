-- Functions in SQL that hold a query are planned anew by every statement that calls them; PL/pgSQL keeps their plans.

CREATE OR REPLACE FUNCTION profile(person users, moment timestamptz) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN json_build_object(
        'id', person.id,
        'first_name', person.first_name,
        'last_name', person.last_name,
        'email', person.email,
        'display_name', person.display_name,
        'profile_image_url', person.profile_image_url,
        'role_id', person.role_id,
        'hi5_quota_balance', (
            SELECT CASE
                WHEN known.resets_at > moment THEN greatest(0, organisation.hi5_limit + known.adjusted - known.net)
                ELSE organisation.hi5_limit
            END
            FROM organisations AS organisation
            LEFT JOIN balances AS known ON known.org_id = organisation.id AND known.user_id = person.id
            WHERE organisation.id = person.org_id
        ),
        'org_id', nullif(person.org_id, 0),
        'soft_delete_by', person.soft_delete_by,
        'soft_delete_at', epoch_seconds(person.soft_delete_at)
    );
END $$;

CREATE OR REPLACE FUNCTION full_profile(person users, moment timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN left(profile(person, moment)::text, -1)
        || ', "hi5_count" : ' || coalesce((
            SELECT received.count FROM hi5_counts AS received
            WHERE received.org_id = person.org_id AND received.user_id = person.id
        ), 0)
        || ', "phone" : ' || coalesce(to_json(person.phone)::text, 'null')
        || ', "department" : ' || coalesce(to_json(person.department)::text, 'null')
        || ', "listed_in_leaderboards" : ' || (person.unlisted IS NOT TRUE)::text || '}';
END $$;
