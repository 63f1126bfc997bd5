-- Who does not want to be listed in leaderboards; null and false: listed. Functions use the type of these rows, so that the
-- column has no default.
ALTER TABLE users ADD COLUMN unlisted boolean;
GRANT UPDATE (unlisted) ON users TO peerly_auth;

CREATE OR REPLACE FUNCTION full_profile(person users, moment timestamptz) RETURNS text LANGUAGE sql STABLE
    RETURN left(profile(person, moment)::text, -1) || ', "hi5_count" : ' || coalesce((
        SELECT received.count FROM hi5_counts AS received WHERE received.org_id = person.org_id AND received.user_id = person.id
    ), 0) || ', "phone" : ' || coalesce(to_json(person.phone)::text, 'null')
    || ', "department" : ' || coalesce(to_json(person.department)::text, 'null')
    || ', "listed_in_leaderboards" : ' || (person.unlisted IS NOT TRUE)::text || '}';
