"""What the services' database roles may do."""

from __future__ import annotations

from services.connections import SERVICE_NAMES
from services.doctor.line import Line, line
from services.doctor.place import Admin

WITHOUT_TENANT = ("outbox", "outbox_archive")
"""Tables with an organisation's number that belong to the messaging: no route reads them."""
ROLES = [f"peerly_{service}{kind}" for service in SERVICE_NAMES for kind in ("", "_owner", "_definer")]

_POWERS = """
SELECT rolname, array_remove(ARRAY[
    CASE WHEN rolsuper THEN 'is a superuser' END,
    CASE WHEN rolbypassrls THEN 'bypasses row-level security' END,
    CASE WHEN rolcreaterole THEN 'may create roles' END,
    CASE WHEN rolcreatedb THEN 'may create databases' END,
    CASE WHEN rolreplication THEN 'may replicate' END,
    CASE WHEN rolcanlogin <> (rolname = ANY($2)) THEN
        CASE WHEN rolcanlogin THEN 'may log in' ELSE 'may not log in' END END
], NULL) AS powers
FROM pg_roles WHERE rolname = ANY($1) ORDER BY rolname
"""

_MEMBERSHIPS = """
SELECT member.rolname AS role, held.rolname AS of_role
FROM pg_auth_members AS link
JOIN pg_roles AS member ON member.oid = link.member JOIN pg_roles AS held ON held.oid = link.roleid
WHERE member.rolname = ANY($1) ORDER BY 1, 2
"""

_OWNED = """
SELECT role.rolname AS role, thing.kind || ' ' || thing.name AS name
FROM pg_roles AS role JOIN (
    SELECT relowner AS owner, 'relation' AS kind, oid::regclass::text AS name FROM pg_class
    UNION ALL SELECT proowner, 'function', oid::regprocedure::text FROM pg_proc
    UNION ALL SELECT nspowner, 'schema', nspname FROM pg_namespace
) AS thing ON thing.owner = role.oid
WHERE role.rolname = ANY($1) ORDER BY 1, 2
"""

_FOREIGN = """
SELECT 'peerly_' || service AS role, nspname AS schema
FROM unnest($1::text[]) AS service CROSS JOIN pg_namespace
WHERE nspname = ANY($1) AND nspname <> service AND has_schema_privilege('peerly_' || service, oid, 'USAGE, CREATE')
UNION ALL
SELECT 'peerly_' || service, nspname FROM unnest($1::text[]) AS service CROSS JOIN pg_namespace
WHERE nspname IN (service, 'public') AND has_schema_privilege('peerly_' || service, oid, 'CREATE')
"""

_OPEN = """
SELECT relnamespace::regnamespace::text || '.' || relname AS name FROM pg_class AS relation
WHERE relnamespace = ANY($1::regnamespace[]) AND relkind IN ('r', 'p') AND relname <> ALL($2)
    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation.oid AND attname = 'org_id' AND NOT attisdropped)
    AND NOT (relrowsecurity AND relforcerowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = relation.oid))
ORDER BY 1
"""


async def roles(admin: Admin) -> Line:
    """No service can do more than its work; `_owner` and `_definer` are nobody's to log in with."""
    services = [f"peerly_{service}" for service in SERVICE_NAMES]
    found = await admin.fetch(_POWERS, ROLES, services)
    troubles = [f"{role} is missing" for role in ROLES if role not in {row["rolname"] for row in found}]
    troubles += [f"{row['rolname']} {power}" for row in found for power in row["powers"]]
    if not troubles:
        held = await admin.fetch(_MEMBERSHIPS, services)
        troubles += [f"{row['role']} is a member of {row['of_role']}" for row in held]
        troubles += [f"{row['role']} owns {row['name']}" for row in await admin.fetch(_OWNED, services)]
        foreign = await admin.fetch(_FOREIGN, list(SERVICE_NAMES))
        troubles += [f"{row['role']} has too many rights in schema {row['schema']}" for row in foreign]
    todo = "take it away (ALTER ROLE, REVOKE, REASSIGN OWNED), then: python -m services migrate"
    return line("roles", troubles, todo, "each service's role can do its work and nothing else")


async def row_security(admin: Admin) -> Line:
    """Row-level security is what keeps tenants apart when a query forgets to."""
    rows = await admin.fetch(_OPEN, list(SERVICE_NAMES), list(WITHOUT_TENANT))
    troubles = [f"{row['name']} is open" for row in rows]
    todo = "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, and its policy from the migrations"
    return line("row security", troubles, todo, "forced, with a policy, on every table of tenants")
