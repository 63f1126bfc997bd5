-- What the directory shows besides names and addresses.

ALTER TABLE users ADD COLUMN phone text, ADD COLUMN department text;
GRANT UPDATE (phone, department) ON users TO peerly_auth;

-- A person alone: with the hi5s they have received and what the directory shows. Text, because json has no ||, and jsonb
-- would reorder the names.
CREATE OR REPLACE FUNCTION full_profile(person users, moment timestamptz) RETURNS text LANGUAGE sql STABLE
    RETURN left(profile(person, moment)::text, -1) || ', "hi5_count" : ' || coalesce((
        SELECT received.count FROM hi5_counts AS received WHERE received.org_id = person.org_id AND received.user_id = person.id
    ), 0) || ', "phone" : ' || coalesce(to_json(person.phone)::text, 'null')
    || ', "department" : ' || coalesce(to_json(person.department)::text, 'null') || '}';

-- A person as the directory has them, without an id: people sign in by the whole address.
CREATE FUNCTION directory_entry(person users) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'login_name', person.email,
        'email', person.email,
        'phone', person.phone,
        'first_name', person.first_name,
        'last_name', person.last_name,
        'department', person.department
    );
