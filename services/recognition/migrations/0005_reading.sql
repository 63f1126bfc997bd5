-- Hot reads: one call each, which names the tenant first and then answers with the JSON that clients see.

-- Every recognition as clients see it. The view has the rights of who reads it, so row-level security holds in it.
CREATE VIEW recognition_documents WITH (security_invoker = true) AS
SELECT
    thanks.id,
    thanks.given_at,
    thanks.hidden,
    thanks.version,
    json_build_object(
        'id', thanks.id,
        'text', thanks.text,
        'given_for', thanks.given_for,
        'given_by', thanks.given_by,
        'given_at', epoch_seconds(thanks.given_at),
        'core_value', json_build_object(
            'id', value.id, 'text', value.text, 'description', value.description, 'thumbnail', value.thumbnail
        ),
        'hi5_count', thanks.hi5_count,
        'given_for_user', person_card(thanks.given_for, receiver),
        'given_by_user', person_card(thanks.given_by, giver)
    ) AS document
FROM recognitions AS thanks
JOIN core_values AS value ON value.org_id = thanks.org_id AND value.id = thanks.core_value_id
LEFT JOIN members AS receiver ON receiver.org_id = thanks.org_id AND receiver.user_id = thanks.given_for
LEFT JOIN members AS giver ON giver.org_id = thanks.org_id AND giver.user_id = thanks.given_by
WHERE thanks.deleted_at IS NULL;

-- The ids of one page of the feed, newest first, and of one row more. Each filter drives the index made for it: for every
-- id that is asked for, its newest rows are read in their order.
CREATE FUNCTION feed_page(
    receivers bigint[], givers bigint[], core_value_ids bigint[], only_hidden boolean,
    before_at timestamptz, before_id bigint, skip bigint, most bigint
) RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    deepest bigint := skip + most + 1;
    found bigint[];
BEGIN
    IF only_hidden THEN
        SELECT array_agg(page.id ORDER BY page.given_at DESC, page.id DESC) INTO found FROM (
            SELECT given_at, id FROM recognitions
            WHERE hidden AND deleted_at IS NULL AND (given_at, id) < (before_at, before_id)
                AND (receivers IS NULL OR given_for = ANY(receivers))
                AND (givers IS NULL OR given_by = ANY(givers))
                AND (core_value_ids IS NULL OR core_value_id = ANY(core_value_ids))
            ORDER BY given_at DESC, id DESC OFFSET skip LIMIT most + 1
        ) AS page;
    ELSIF receivers IS NOT NULL THEN
        SELECT array_agg(page.id ORDER BY page.given_at DESC, page.id DESC) INTO found FROM (
            SELECT newest.given_at, newest.id FROM unnest(receivers) AS one (user_id) CROSS JOIN LATERAL (
                SELECT given_at, id FROM recognitions
                WHERE given_for = one.user_id
                    AND NOT hidden AND deleted_at IS NULL AND (given_at, id) < (before_at, before_id)
                    AND (givers IS NULL OR given_by = ANY(givers))
                    AND (core_value_ids IS NULL OR core_value_id = ANY(core_value_ids))
                ORDER BY given_at DESC, id DESC LIMIT deepest
            ) AS newest
            ORDER BY newest.given_at DESC, newest.id DESC OFFSET skip LIMIT most + 1
        ) AS page;
    ELSIF givers IS NOT NULL THEN
        SELECT array_agg(page.id ORDER BY page.given_at DESC, page.id DESC) INTO found FROM (
            SELECT newest.given_at, newest.id FROM unnest(givers) AS one (user_id) CROSS JOIN LATERAL (
                SELECT given_at, id FROM recognitions
                WHERE given_by = one.user_id
                    AND NOT hidden AND deleted_at IS NULL AND (given_at, id) < (before_at, before_id)
                    AND (core_value_ids IS NULL OR core_value_id = ANY(core_value_ids))
                ORDER BY given_at DESC, id DESC LIMIT deepest
            ) AS newest
            ORDER BY newest.given_at DESC, newest.id DESC OFFSET skip LIMIT most + 1
        ) AS page;
    ELSIF core_value_ids IS NOT NULL THEN
        SELECT array_agg(page.id ORDER BY page.given_at DESC, page.id DESC) INTO found FROM (
            SELECT newest.given_at, newest.id FROM unnest(core_value_ids) AS one (value_id) CROSS JOIN LATERAL (
                SELECT given_at, id FROM recognitions
                WHERE core_value_id = one.value_id
                    AND NOT hidden AND deleted_at IS NULL AND (given_at, id) < (before_at, before_id)
                ORDER BY given_at DESC, id DESC LIMIT deepest
            ) AS newest
            ORDER BY newest.given_at DESC, newest.id DESC OFFSET skip LIMIT most + 1
        ) AS page;
    ELSE
        SELECT array_agg(page.id ORDER BY page.given_at DESC, page.id DESC) INTO found FROM (
            SELECT given_at, id FROM recognitions
            WHERE NOT hidden AND deleted_at IS NULL AND (given_at, id) < (before_at, before_id)
            ORDER BY given_at DESC, id DESC OFFSET skip LIMIT most + 1
        ) AS page;
    END IF;
    RETURN coalesce(found, '{}');
END $$;

-- One page of the feed as a JSON list; last_at (microseconds) and last_id are set when more rows follow. Its statements are
-- planned once a session: whatever is asked for, an index leads to the page, and planning would cost a quarter of each call.
CREATE FUNCTION feed(
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
    SELECT coalesce(json_agg(found.document ORDER BY shown.place), '[]')::text INTO documents
    FROM unnest(page[:most]) WITH ORDINALITY AS shown (id, place)
    JOIN recognition_documents AS found ON found.id = shown.id;
    IF cardinality(page) > most THEN
        SELECT (extract(epoch FROM given_at) * 1000000)::bigint, id INTO last_at, last_id
        FROM recognitions WHERE id = page[most];
    END IF;
END $$;

CREATE FUNCTION count_feed(
    organisation bigint, receivers bigint[], givers bigint[], core_value_ids bigint[], only_hidden boolean
) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    RETURN (
        SELECT count(*) FROM recognitions
        WHERE hidden = only_hidden AND deleted_at IS NULL
            AND (receivers IS NULL OR given_for = ANY(receivers))
            AND (givers IS NULL OR given_by = ANY(givers))
            AND (core_value_ids IS NULL OR core_value_id = ANY(core_value_ids))
    );
END $$;

-- One recognition; a hidden one only for who moderates.
CREATE FUNCTION recognition_document(
    organisation bigint, wanted bigint, moderates boolean, OUT document text, OUT version bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    SELECT found.document::text, found.version INTO document, version
    FROM recognition_documents AS found WHERE found.id = wanted AND (moderates OR NOT found.hidden);
END $$;

-- All core values of an organisation, in the order of their ids.
CREATE FUNCTION core_value_documents(organisation bigint, OUT documents text, OUT total bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    SELECT
        coalesce(
            json_agg(
                json_build_object(
                    'id', id, 'text', text, 'description', description, 'parent_core_value_id', parent_core_value_id,
                    'org_id', org_id, 'thumbnail', thumbnail
                ) ORDER BY id
            ), '[]'
        )::text,
        count(*)
    INTO documents, total FROM core_values;
END $$;

-- The hi5s of a recognition, newest first; documents is null when there is no such recognition for the reader.
CREATE FUNCTION hi5s_page(
    organisation bigint, wanted bigint, moderates boolean, before_id bigint, skip bigint, most bigint,
    OUT documents text, OUT total bigint, OUT last_id bigint
) LANGUAGE plpgsql AS $$
DECLARE
    page bigint[];
BEGIN
    PERFORM set_config('app.org_id', organisation::text, true);
    SELECT hi5_count INTO total FROM recognitions WHERE id = wanted AND deleted_at IS NULL AND (moderates OR NOT hidden);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    page := ARRAY(
        SELECT id FROM hi5s WHERE recognition_id = wanted AND void_at IS NULL AND (before_id IS NULL OR id < before_id)
        ORDER BY id DESC OFFSET skip LIMIT most + 1
    );
    SELECT coalesce(
        json_agg(
            json_build_object(
                'user_id', hi5.given_by,
                'display_name', coalesce(giver.display_name, ''),
                'profile_image_url', giver.profile_image_url,
                'comment', hi5.comment,
                'given_at', epoch_seconds(hi5.given_at)
            ) ORDER BY hi5.id DESC
        ),
        '[]'
    )::text INTO documents
    FROM hi5s AS hi5
    LEFT JOIN members AS giver ON giver.org_id = hi5.org_id AND giver.user_id = hi5.given_by
    WHERE hi5.id = ANY(page[:most]);
    last_id := CASE WHEN cardinality(page) > most THEN page[most] END;
END $$;

GRANT SELECT ON recognition_documents TO peerly_recognition;
