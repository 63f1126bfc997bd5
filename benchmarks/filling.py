"""Fills two organisations by SQL: 1,000 people and 10 core values each; 50,000 recognitions, and 1,000,000."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from tests.support.tokens import Signer

PEOPLE = 1_000
PROBES = 8
"""The first of the people: they neither gave nor were thanked."""
CORE_VALUES = 10
SECONDS_BETWEEN = 20
"""Between two recognitions, counted back from now."""
SERVICES = ("auth", "recognition", "quota", "moderation")


@dataclass(frozen=True, slots=True)
class Organisation:
    """Its rows have consecutive ids; most of the first half of its people were thanked, the second half gave."""

    id: int
    recognitions: int

    @property
    def first_person(self) -> int:
        return self.id * 10_000

    @property
    def receiver(self) -> int:
        return self.first_person + PROBES

    @property
    def givers(self) -> range:
        return range(self.first_person + PEOPLE // 2, self.first_person + PEOPLE)

    @property
    def first_value(self) -> int:
        return self.id * 100

    @property
    def first_recognition(self) -> int:
        return self.id * 10_000_000


SMALL = Organisation(1001, 50_000)
LARGE = Organisation(1002, 1_000_000)

_SHARED = (
    "INSERT INTO {schema}.organisations VALUES ({o.id}, 'Bench', 'ACTIVE', 1000000, 'QUARTERLY', 'UTC', 0, 1)",
    """
    INSERT INTO {schema}.members
        (org_id, user_id, email, first_name, last_name, display_name, profile_image_url, role_id, version)
    SELECT {o.id}, {o.first_person} + n, 'p' || n || '@bench-{o.id}.test', 'Alex' || n, 'Muster' || n,
        'Alex Muster ' || n, 'https://images.example/' || n || '.png', 3, 1
    FROM generate_series(0, {people} - 1) AS n
    """,
)
_AUTH = (
    """
    INSERT INTO auth.organisations (id, name, contact_email, hi5_limit, hi5_quota_renewal_frequency, timezone)
    OVERRIDING SYSTEM VALUE VALUES ({o.id}, 'Bench', 'office@bench-{o.id}.test', 1000000, 'QUARTERLY', 'UTC')
    """,
    """
    INSERT INTO auth.users (
        id, org_id, email, first_name, last_name, display_name, profile_image_url, role_id, folded_email,
        folded_first_name, folded_last_name, folded_display_name
    ) OVERRIDING SYSTEM VALUE
    SELECT user_id, org_id, email, first_name, last_name, display_name, profile_image_url, 3, lower(email),
        lower(first_name), lower(last_name), lower(display_name)
    FROM recognition.members WHERE org_id = {o.id}
    """,
)
_RECOGNITION = (
    """
    INSERT INTO recognition.core_values (org_id, id, text, text_key, description, thumbnail)
    OVERRIDING SYSTEM VALUE
    SELECT {o.id}, {o.first_value} + n, 'Value ' || n, 'value ' || n, 'What we mean by value ' || n,
        'https://images.example/value-' || n || '.png'
    FROM generate_series(0, {values} - 1) AS n
    """,
    """
    INSERT INTO recognition.recognitions (org_id, id, given_by, given_for, core_value_id, text, given_at, hi5_count)
    OVERRIDING SYSTEM VALUE
    SELECT {o.id}, {o.first_recognition} + n, {o.first_person} + {people} / 2 + n % ({people} / 2),
        {o.first_person} + {probes} + n * 7 % ({people} / 2 - {probes}), {o.first_value} + n % {values},
        'Thank you for staying with the customer until it worked, number ' || n,
        now() - ({o.recognitions} - n) * {between} * interval '1 second', n % 4
    FROM generate_series(0, {o.recognitions} - 1) AS n
    """,
    # Nobody measures insights; the job that folds would be at it for minutes beside what is measured.
    "DELETE FROM recognition.insight_changes WHERE org_id = {o.id}",
    """
    INSERT INTO recognition.policies (org_id, version, hi5_limit, calendars)
    VALUES ({o.id}, 1, 1000000, '[{{"from": 0, "frequency": "QUARTERLY", "timezone": "UTC"}}]')
    """,
    """
    INSERT INTO recognition.received_counts (org_id, user_id, count, version)
    SELECT org_id, given_for, sum(hi5_count), 1 FROM recognition.recognitions WHERE org_id = {o.id} GROUP BY 1, 2
    """,
    """
    INSERT INTO recognition.allowances
        (org_id, id, user_id, starts_at, ends_at, granted, spent_total, seq, policy_version)
    OVERRIDING SYSTEM VALUE
    SELECT org_id, user_id, user_id, date_trunc('quarter', now()), date_trunc('quarter', now()) + interval '3 months',
        1000000, 1, 1, 1
    FROM recognition.members WHERE org_id = {o.id}
    """,
)
_QUOTA = (
    """
    INSERT INTO quota.policies (org_id, version, hi5_limit, calendars)
    SELECT org_id, version, hi5_limit, calendars FROM recognition.policies WHERE org_id = {o.id}
    """,
    """
    INSERT INTO quota.allowance_books
        (org_id, allowance_id, user_id, period, seq, granted, spent_total, refunded_total, policy_version, epoch)
    SELECT org_id, id, user_id, tstzrange(starts_at, ends_at), seq, granted, spent_total, refunded_total,
        policy_version, (SELECT epoch FROM recognition.outbox_epoch)
    FROM recognition.allowances WHERE org_id = {o.id}
    """,
    """
    INSERT INTO quota.accounts (org_id, allowance_id, user_id, account, balance)
    SELECT {o.id}, 0, 0, 'issued', -1000000 * {people}
    UNION ALL SELECT {o.id}, user_id, user_id, 'available', 999999 FROM recognition.members WHERE org_id = {o.id}
    UNION ALL SELECT {o.id}, user_id, user_id, 'spent', 1 FROM recognition.members WHERE org_id = {o.id}
    """,
)
_AFTER = (
    "SELECT setval(pg_get_serial_sequence('recognition.recognitions', 'id'), max(id)) FROM recognition.recognitions",
    "SELECT setval(pg_get_serial_sequence('recognition.core_values', 'id'), max(id)) FROM recognition.core_values",
    "CREATE SEQUENCE recognition.bench_numbers",
    "GRANT USAGE ON SEQUENCE recognition.bench_numbers TO peerly_recognition",
    "SELECT recognition.recount_insights()",
    # The service folds at the same time: who comes second finds nothing to do.
    """
    DO $$ BEGIN
        WHILE EXISTS (SELECT FROM recognition.insight_changes) LOOP
            PERFORM recognition.fold_insights(20000);
            COMMIT;
        END LOOP;
    END $$
    """,
    "VACUUM ANALYZE",
)
"""The last: what triggers would have summed up."""


async def fill(admin_url: str, signer: Signer, organisations: tuple[Organisation, ...]) -> None:
    """As a superuser and without triggers: what history and foreign keys would say of it is of no matter here."""
    admin = await asyncpg.connect(admin_url)
    try:
        await admin.execute("SET session_replication_role = replica")
        for organisation in organisations:
            for statement in _statements(organisation):
                await admin.execute(statement)
        for schema in SERVICES:
            await admin.execute(
                f"INSERT INTO {schema}.signing_keys (kid, x, version) VALUES ($1, $2, 1)",  # noqa: S608
                signer.kid,
                signer.x,
            )
        for statement in _AFTER:
            await admin.execute(statement)
    finally:
        await admin.close()


def _statements(organisation: Organisation) -> list[str]:
    shared = [statement.replace("{schema}", schema) for schema in SERVICES if schema != "auth" for statement in _SHARED]
    values = {"o": organisation, "people": PEOPLE, "values": CORE_VALUES, "between": SECONDS_BETWEEN, "probes": PROBES}
    return [statement.format(**values) for statement in (*shared, *_AUTH, *_RECOGNITION, *_QUOTA)]
