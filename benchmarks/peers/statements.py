"""The SQL that the recognition service runs on its hot paths, with nothing around it. Change both together."""

FEED = "SELECT documents, last_at, last_id FROM feed($1, $2, $3, $4, $5, $6, $7, $8, $9)"
GIVE_HI5 = "SELECT status, answer FROM give_hi5($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"

ENSURE_MEMBER = "INSERT INTO members (user_id, role_id, version) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING"
SURROUNDINGS = """
SELECT
    (SELECT active FROM members WHERE user_id = $1),
    (SELECT active FROM members WHERE user_id = $2),
    EXISTS (SELECT FROM core_values WHERE id = $3),
    (SELECT recognition_hi5_cost FROM organisations)
"""
ADD_RECOGNITION = """
INSERT INTO recognitions (given_by, given_for, core_value_id, text) VALUES ($1, $2, $3, $4) RETURNING id, given_at
"""
APPEND = """
INSERT INTO outbox (type, subject, data)
SELECT event.type, event.subject, event.data::jsonb
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS event (type, subject, data, place)
ORDER BY event.place
RETURNING event_id
"""

BOOK = """
SELECT net, adjusted, epoch_seconds(upper(period)) AS resets_at, version
FROM book_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""
INBOX = """
INSERT INTO inbox (event_id, type) SELECT id, 'Hi5Spent.v1' FROM unnest($1::uuid[]) AS event (id)
ON CONFLICT DO NOTHING RETURNING event_id
"""
