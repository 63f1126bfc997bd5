-- squawk-ignore-file ban-drop-view, ban-drop-function, adding-field-with-default
-- What documents show of people and core values is rendered when these change, not for each document that shows them.

-- Immutable, as json_build_object is of texts and numbers.
CREATE FUNCTION rendered_person(id bigint, first_name text, last_name text, display_name text, profile_image_url text)
RETURNS json LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN json_build_object(
        'id', id, 'first_name', first_name, 'last_name', last_name, 'display_name', display_name,
        'profile_image_url', profile_image_url
    );
END $$;

CREATE FUNCTION rendered_core_value(
    id bigint, words text, description text, parent_core_value_id bigint, organisation bigint, thumbnail text
) RETURNS json LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN json_build_object(
        'id', id, 'text', words, 'description', description, 'parent_core_value_id', parent_core_value_id,
        'org_id', organisation, 'thumbnail', thumbnail
    );
END $$;

CREATE FUNCTION rendered_reason(id bigint, words text, description text, thumbnail text)
RETURNS json LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN json_build_object('id', id, 'text', words, 'description', description, 'thumbnail', thumbnail);
END $$;

-- Who reads goes through functions that look names up when they run, and waits for the end of this; a thousand people or a
-- hundred thousand are written anew in a moment.
DROP VIEW recognition_documents;
DROP FUNCTION person_card(bigint, members);

ALTER TABLE members ADD COLUMN card json NOT NULL
    GENERATED ALWAYS AS (rendered_person(user_id, first_name, last_name, display_name, profile_image_url)) STORED;
ALTER TABLE core_values
    ADD COLUMN document json NOT NULL
        GENERATED ALWAYS AS (
            rendered_core_value(id, text, description, parent_core_value_id, org_id, thumbnail)
        ) STORED,
    ADD COLUMN card json NOT NULL GENERATED ALWAYS AS (rendered_reason(id, text, description, thumbnail)) STORED;

-- Of who is not known yet there is a number only.
CREATE FUNCTION person_card(whose bigint, member members) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(member.card, rendered_person(whose, '', '', '', NULL));

-- As text it is a third cheaper than json_build_object, which looks up every value's type for each document.
CREATE VIEW recognition_documents WITH (security_invoker = true) AS
SELECT id, given_at, hidden, version, rendered, rendered::json AS document
FROM (
    SELECT
        thanks.id,
        thanks.given_at,
        thanks.hidden,
        thanks.version,
        concat(
            '{"id" : ', thanks.id,
            ', "text" : ', to_json(thanks.text),
            ', "given_for" : ', thanks.given_for,
            ', "given_by" : ', thanks.given_by,
            ', "given_at" : ', epoch_seconds(thanks.given_at),
            ', "core_value" : ', value.card,
            ', "hi5_count" : ', thanks.hi5_count,
            ', "attachments" : ', coalesce(thanks.attachments::text, 'null'),
            ', "given_for_user" : ', person_card(thanks.given_for, receiver),
            ', "given_by_user" : ', person_card(thanks.given_by, giver),
            '}'
        ) AS rendered
    FROM recognitions AS thanks
    JOIN core_values AS value ON value.org_id = thanks.org_id AND value.id = thanks.core_value_id
    LEFT JOIN members AS receiver ON receiver.org_id = thanks.org_id AND receiver.user_id = thanks.given_for
    LEFT JOIN members AS giver ON giver.org_id = thanks.org_id AND giver.user_id = thanks.given_by
    WHERE thanks.deleted_at IS NULL
) AS shown;
GRANT SELECT ON recognition_documents TO peerly_recognition;

CREATE OR REPLACE FUNCTION feed(
    organisation bigint, receivers bigint[], givers bigint[], core_value_ids bigint[], only_hidden boolean,
    before_at bigint, before_id bigint, skip bigint, most bigint,
    OUT documents text, OUT last_at bigint, OUT last_id bigint
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    page bigint[];
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    page := feed_page(
        receivers, givers, core_value_ids, only_hidden,
        coalesce('epoch'::timestamptz + before_at * interval '1 microsecond', 'infinity'), coalesce(before_id, 0), skip, most
    );
    SELECT '[' || coalesce(string_agg(found.rendered, ', ' ORDER BY shown.place), '') || ']' INTO documents
    FROM unnest(page[:most]) WITH ORDINALITY AS shown (id, place)
    JOIN recognition_documents AS found ON found.id = shown.id;
    IF cardinality(page) > most THEN
        SELECT (extract(epoch FROM given_at) * 1000000)::bigint, id INTO last_at, last_id
        FROM recognitions WHERE id = page[most];
    END IF;
END $$;

CREATE OR REPLACE FUNCTION recognition_document(
    organisation bigint, wanted bigint, moderates boolean, OUT document text, OUT version bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    SELECT found.rendered, found.version INTO document, version
    FROM recognition_documents AS found WHERE found.id = wanted AND (moderates OR NOT found.hidden);
END $$;

CREATE OR REPLACE FUNCTION core_value_documents(organisation bigint, OUT documents text, OUT total bigint)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    SELECT coalesce(json_agg(document ORDER BY id), '[]')::text, count(*) INTO documents, total FROM core_values;
END $$;
