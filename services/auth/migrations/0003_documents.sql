-- What clients see of a person and of an organisation, and the look-ups that come before the organisation is known.

-- A person as lists show them. The balance is what quota last said, until that period is over.
CREATE FUNCTION profile(person users, moment timestamptz) RETURNS json LANGUAGE sql STABLE
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

-- A person alone: with the hi5s they have received. Text, because json has no ||, and jsonb would reorder the names.
CREATE FUNCTION full_profile(person users, moment timestamptz) RETURNS text LANGUAGE sql STABLE
    RETURN left(profile(person, moment)::text, -1) || ', "hi5_count" : ' || coalesce((
        SELECT received.count FROM hi5_counts AS received WHERE received.org_id = person.org_id AND received.user_id = person.id
    ), 0) || '}';

-- The caller's own profile in one round trip; null for who is no longer there.
CREATE FUNCTION my_profile(of_organisation bigint, of_user bigint, moment timestamptz, OUT version bigint, OUT body text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', of_organisation::text, true);
    SELECT person.version, full_profile(person, moment) INTO my_profile.version, my_profile.body
    FROM users AS person WHERE person.org_id = of_organisation AND person.id = of_user AND person.soft_delete_at IS NULL;
END
$$;

CREATE FUNCTION organisation_document(organisation organisations) RETURNS json LANGUAGE sql STABLE
    RETURN json_build_object(
        'id', organisation.id,
        'name', organisation.name,
        'domain_names', (
            SELECT coalesce(json_agg(owned.spelling ORDER BY owned.place), '[]'::json)
            FROM organisation_domains AS owned WHERE owned.org_id = organisation.id
        ),
        'contact_email', organisation.contact_email,
        'subscription_status', organisation.subscription_status,
        'subscription_valid_upto', epoch_seconds(organisation.subscription_valid_upto),
        'hi5_limit', organisation.hi5_limit,
        'hi5_quota_renewal_frequency', organisation.hi5_quota_renewal_frequency,
        'timezone', organisation.timezone,
        'recognition_hi5_cost', organisation.recognition_hi5_cost,
        'number', organisation.number,
        'status', organisation.status,
        'address1', organisation.address1,
        'address2', organisation.address2,
        'city', organisation.city,
        'state', organisation.state,
        'zip_code', organisation.zip_code,
        'contact_name', organisation.contact_name,
        'contact_phone', organisation.contact_phone,
        'billing_contact', organisation.billing_contact,
        'billing_contact_email', organisation.billing_contact_email,
        'billing_contact_phone', organisation.billing_contact_phone
    );

-- Look-ups across organisations: they return ids, nothing else, and run as a role that can read no more than these columns.
GRANT SELECT (id, status) ON organisations TO peerly_auth_definer;
GRANT SELECT (domain, org_id) ON organisation_domains TO peerly_auth_definer;
GRANT SELECT (id, org_id, folded_email, role_id, generation, version) ON users TO peerly_auth_definer;
GRANT UPDATE (org_id, role_id, generation, version) ON users TO peerly_auth_definer;
GRANT SELECT (org_id, user_id, token_hash) ON password_resets TO peerly_auth_definer;
CREATE POLICY look_up ON organisations FOR SELECT TO peerly_auth_definer USING (true);
CREATE POLICY look_up ON organisation_domains FOR SELECT TO peerly_auth_definer USING (true);
CREATE POLICY look_up ON users TO peerly_auth_definer USING (true);
CREATE POLICY look_up ON password_resets FOR SELECT TO peerly_auth_definer USING (true);

-- Whose domain this is; null for an organisation that is not active.
CREATE FUNCTION organisation_of_domain(of_domain text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    SELECT org_id FROM organisation_domains JOIN organisations ON id = org_id
    WHERE domain = of_domain AND status = 'ACTIVE'
$$;

CREATE FUNCTION account_of_email(of_folded_email text, OUT org_id bigint, OUT user_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    SELECT users.org_id, users.id FROM users WHERE users.folded_email = of_folded_email COLLATE "POSIX"
$$;

CREATE FUNCTION organisation_of_user(of_user bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    SELECT org_id FROM users WHERE id = of_user
$$;

CREATE FUNCTION owner_of_password_reset(of_token_hash bytea, OUT org_id bigint, OUT user_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    SELECT password_resets.org_id, password_resets.user_id FROM password_resets WHERE token_hash = of_token_hash
$$;

-- Makes somebody of the present organisation a super admin, who belongs to the installation; their credentials move along.
CREATE FUNCTION move_to_installation(of_user bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = auth, pg_temp AS $$
    UPDATE users SET org_id = 0, role_id = 1, generation = generation + 1, version = version + 1
    WHERE id = of_user AND org_id = tenant()
    RETURNING id
$$;

DO $$
DECLARE
    look_up text;
BEGIN
    FOREACH look_up IN ARRAY ARRAY[
        'organisation_of_domain(text)', 'account_of_email(text)', 'organisation_of_user(bigint)',
        'owner_of_password_reset(bytea)', 'move_to_installation(bigint)'
    ] LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', look_up);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO peerly_auth', look_up);
        EXECUTE format('ALTER FUNCTION %s OWNER TO peerly_auth_definer', look_up);
    END LOOP;
END
$$;
