"""What must hold: the shipped proofs, and what can only be seen from above all services and their clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from services.quota import proof as quota
from services.recognition import proof as recognition
from shared.proof import Invariant

AT_REST = {"I8": frozenset({"parked", "unsent", "dead"}), "I9": None}
"""What may be otherwise while events are under way: some counts of an invariant, or all of it."""

OF_RECOGNITION = (
    *recognition.INVARIANTS,
    Invariant(
        "R5",
        "A spend and its refund are within the window of the allowance that they belong to",
        """
        SELECT
            (
                SELECT count(*) FROM spends AS spend JOIN allowances AS held ON held.id = spend.allowance_id
                WHERE NOT (spend.at >= held.starts_at AND spend.at < held.ends_at)
            ) AS spends,
            (
                SELECT count(*) FROM refunds AS refund JOIN allowances AS held ON held.id = refund.allowance_id
                WHERE NOT (refund.at >= held.starts_at AND refund.at < held.ends_at)
            ) AS refunds
        """,
    ),
    Invariant(
        "R7",
        "No two allowances of one user overlap in time",
        """
        SELECT count(*) AS overlapping FROM allowances AS one JOIN allowances AS other
            ON other.user_id = one.user_id AND other.id > one.id
                AND other.starts_at < one.ends_at AND one.starts_at < other.ends_at
        """,
    ),
)
OF_QUOTA = quota.INVARIANTS
STATES = {"recognition": recognition.STATE, "quota": quota.STATE}

HISTORY = """
SELECT count(*) FROM quota.allowance_books AS book LEFT JOIN (
    SELECT (data #>> '{allowance,id}')::bigint AS allowance_id, (data #>> '{allowance,seq}')::bigint AS seq,
        data -> 'allowance' AS told
    FROM recognition.outbox WHERE org_id = $1 AND data ? 'allowance'
) AS event ON event.allowance_id = book.allowance_id AND event.seq = book.seq
WHERE book.org_id = $1 AND (book.granted, book.spent_total, book.refunded_total, book.user_id) IS DISTINCT FROM (
    (told ->> 'granted')::bigint, (told ->> 'spent_total')::bigint, (told ->> 'refunded_total')::bigint,
    (told ->> 'user_id')::bigint
)
"""
"""I6 at every moment: each book of the ledger at its seq is what recognition told of that seq."""

_MEMBERS = """
    'members of {service}', (
        SELECT count(*) FROM auth.users AS known
        LEFT JOIN {service}.members AS here ON here.org_id = known.org_id AND here.user_id = known.id
        WHERE known.org_id = $1 AND (here.active, here.version) IS DISTINCT FROM (soft_delete_at IS NULL, known.version)
    )"""
AGREE = f"""
SELECT json_build_object(
    {",".join(_MEMBERS.format(service=service) for service in ("recognition", "quota", "moderation"))},
    'settings', (SELECT count(*) FROM auth.organisations AS known
        LEFT JOIN recognition.organisations AS one ON one.org_id = known.id
        LEFT JOIN quota.organisations AS two ON two.org_id = known.id
        LEFT JOIN moderation.organisations AS three ON three.org_id = known.id
        WHERE known.id = $1 AND (one.version, two.version, three.version)
            IS DISTINCT FROM (known.version, known.version, known.version)),
    'limit', (SELECT count(*) FROM auth.organisations AS known WHERE id = $1 AND hi5_limit IS DISTINCT FROM (
        SELECT hi5_limit FROM recognition.policies WHERE org_id = $1 ORDER BY version DESC LIMIT 1)),
    'policies', (SELECT count(*) FROM (
        SELECT version, hi5_limit, calendars FROM quota.policies WHERE org_id = $1
    ) AS decided FULL JOIN (
        SELECT version, hi5_limit, calendars FROM recognition.policies WHERE org_id = $1
    ) AS kept USING (version, hi5_limit, calendars) WHERE decided IS NULL OR kept IS NULL),
    'adjustments', (SELECT count(*) FROM (
        SELECT user_id, max(id) AS version FROM quota.adjustments WHERE org_id = $1 GROUP BY user_id
    ) AS made LEFT JOIN recognition.adjustment_sets AS kept ON kept.org_id = $1 AND kept.user_id = made.user_id
    WHERE kept.version IS DISTINCT FROM made.version),
    'cases', (SELECT count(*) FROM moderation.cases AS decided
        LEFT JOIN recognition.recognitions AS kept ON kept.org_id = $1 AND kept.id = decided.recognition_id
        WHERE decided.org_id = $1 AND (kept.hidden, kept.moderation_version)
            IS DISTINCT FROM (decided.state = 'hidden', decided.visibility_version)),
    'recognitions', (SELECT count(*) FROM (
        SELECT id, text, deleted_at IS NOT NULL AS deleted FROM recognition.recognitions WHERE org_id = $1
    ) AS given FULL JOIN (
        SELECT id, text, deleted FROM moderation.recognitions WHERE org_id = $1
    ) AS kept USING (id, text, deleted)
        WHERE given IS NULL OR kept IS NULL),
    'balances', (SELECT count(*) FROM (
        SELECT user_id, net, adjusted, version FROM quota.balances WHERE org_id = $1
    ) AS told FULL JOIN (
        SELECT user_id, net, adjusted, version FROM auth.balances WHERE org_id = $1
    ) AS shown USING (user_id, net, adjusted, version) WHERE told IS NULL OR shown IS NULL),
    'received', (SELECT count(*) FROM (
        SELECT user_id, count, version FROM recognition.received_counts WHERE org_id = $1
    ) AS told FULL JOIN (
        SELECT user_id, count, version FROM auth.hi5_counts WHERE org_id = $1
    ) AS shown USING (user_id, count, version) WHERE told IS NULL OR shown IS NULL)
)::text
"""
"""At rest everybody knows what its owner decided."""

CAN_SPEND = """
SELECT held.user_id, greatest(0, entitled.target - held.spent_total + held.refunded_total) AS rest
FROM allowances AS held, LATERAL entitlement(held.user_id, held.starts_at, held.ends_at) AS entitled
WHERE held.starts_at <= $1 AND held.ends_at > $1 AND held.seq > 0
"""
IN_FORCE = "SELECT newest_policy, target FROM entitlement(0, $1, $1)"
LIMIT = "SELECT hi5_limit FROM auth.organisations WHERE id = $1"
HIGHEST = """
SELECT held.user_id, held.starts_at, held.ends_at, max(step.net) AS net
FROM allowances AS held JOIN spends AS step ON step.allowance_id = held.id
GROUP BY held.id, held.user_id, held.starts_at, held.ends_at
"""
MADE = "SELECT ARRAY(SELECT id FROM hi5s ORDER BY id) AS hi5s, ARRAY(SELECT id FROM recognitions ORDER BY id) AS thanks"
ADJUSTED = "SELECT id, user_id, at, amount FROM adjustments WHERE org_id = tenant() ORDER BY id"


def together(invariants: Iterable[Invariant]) -> str:
    """All of them in one statement, so that a look after every step costs one round trip."""
    parts = (f"'{one.id}', (SELECT to_jsonb(counted) FROM ({one.query}) AS counted)" for one in invariants)
    return f"SELECT jsonb_build_object({', '.join(parts)})::text"


def violated(counted: str, *, at_rest: bool) -> list[str]:
    """The invariants that do not hold, with their counts."""
    found: Mapping[str, Mapping[str, int]] = orjson.loads(counted)
    return [
        f"{id_} {name} {count}"
        for id_, counts in found.items()
        for name, count in counts.items()
        if count and (at_rest or not _may_wait(id_, name))
    ]


def _may_wait(id_: str, name: str) -> bool:
    if id_ not in AT_REST:
        return False
    names = AT_REST[id_]
    return names is None or name in names


def differing(counted: Any) -> list[str]:
    return [f"C {name} {count}" for name, count in orjson.loads(counted).items() if count]
