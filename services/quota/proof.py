"""The ledger's invariants as queries: each counts its violations, now, in one organisation."""

from __future__ import annotations

from shared.proof import Invariant

# I8 leaves out when credentials were last used: that is written at a stop, too, waits for the next start, and no book
# needs it.
INVARIANTS = (
    Invariant(
        "I5",
        "No account that must stay non-negative is negative, and each holds the sum of its postings",
        """
        SELECT count(*) FILTER (WHERE account <> 'issued' AND balance < 0) AS negative,
            count(*) FILTER (WHERE balance <> posted) AS differing
        FROM (
            SELECT account, balance, (
                SELECT coalesce(sum(amount), 0) FROM postings
                WHERE postings.org_id = accounts.org_id AND postings.allowance_id = accounts.allowance_id
                    AND postings.user_id = accounts.user_id AND postings.account = accounts.account
            ) AS posted
            FROM accounts WHERE org_id = tenant()
        ) AS held
        """,
    ),
    Invariant(
        "I7",
        "The postings of each entry sum to 0, and so do all accounts",
        """
        SELECT (
            SELECT count(*) FROM (
                SELECT FROM postings WHERE org_id = tenant() GROUP BY entry_id HAVING sum(amount) <> 0
            ) AS unbalanced
        ) AS unbalanced_entries,
        (SELECT coalesce(abs(sum(balance)), 0)::bigint FROM accounts WHERE org_id = tenant()) AS sum_of_accounts
        """,
    ),
    Invariant(
        "I8",
        "The changes of each allowance are booked without a gap, and nothing is parked, unsent or dead",
        """
        SELECT (
            SELECT count(*) FROM allowance_books AS book
            WHERE org_id = tenant() AND seq <> (
                SELECT count(DISTINCT seq) FROM entries
                WHERE entries.org_id = tenant() AND entries.allowance_id = book.allowance_id
                    AND entries.user_id = book.user_id AND entries.kind IN ('spend', 'refund')
            ) AND NOT EXISTS (
                SELECT FROM entries
                WHERE entries.org_id = tenant() AND entries.allowance_id = book.allowance_id
                    AND entries.user_id = book.user_id AND entries.kind = 'correction'
            )
        ) AS gaps,
        (SELECT count(*) FROM parked) AS parked,
        (SELECT count(*) FROM outbox
            WHERE sent_at IS NULL AND org_id = tenant() AND type NOT LIKE 'CredentialsUsed.%') AS unsent,
        (SELECT count(*) FROM dead) AS dead
        """,
    ),
    Invariant(
        "I9",
        "What the ledger has available is what can be spent, and the newest policy is in force",
        """
        SELECT (
            SELECT count(*) FROM allowance_books AS book
            WHERE org_id = tenant() AND NOT outlived AND period @> clock_timestamp()
                AND policy_version = (SELECT max(version) FROM policies WHERE org_id = tenant())
                AND NOT EXISTS (
                    SELECT FROM adjustments AS made
                    WHERE made.org_id = tenant() AND made.user_id = book.user_id AND book.period @> made.at
                        AND NOT EXISTS (SELECT FROM entries WHERE entries.org_id = tenant() AND entries.id = made.id)
                )
                AND granted - (spent_total - refunded_total) <> greatest(
                    0, newest_limit() + adjusted_in(user_id, period) - (spent_total - refunded_total)
                )
        ) AS differing,
        (
            SELECT count(*) FROM organisations AS known
            WHERE org_id = tenant() AND NOT EXISTS (
                SELECT FROM (SELECT * FROM policies WHERE org_id = tenant() ORDER BY version DESC LIMIT 1) AS newest
                WHERE newest.hi5_limit = known.hi5_limit
                    AND newest.calendars -> -1 ->> 'frequency' = known.hi5_quota_renewal_frequency
                    AND newest.calendars -> -1 ->> 'timezone' = known.timezone
            )
        ) AS outdated_policies
        """,
    ),
    Invariant(
        "R4",
        "The totals of each allowance's last event equal the ledger's accounts and entries",
        """
        SELECT count(*) FILTER (WHERE available <> granted - net OR spent <> net) AS differing_accounts,
            count(*) FILTER (WHERE NOT corrected AND (spends <> spent_total OR refunds <> refunded_total))
                AS differing_entries
        FROM (
            SELECT book.granted, book.spent_total, book.refunded_total, spent_total - refunded_total AS net,
                coalesce(max(account.balance) FILTER (WHERE account.account = 'available'), 0) AS available,
                coalesce(max(account.balance) FILTER (WHERE account.account = 'spent'), 0) AS spent,
                (SELECT count(*) FROM entries WHERE entries.org_id = tenant() AND kind = 'spend'
                    AND entries.allowance_id = book.allowance_id AND entries.user_id = book.user_id) AS spends,
                (SELECT count(*) FROM entries WHERE entries.org_id = tenant() AND kind = 'refund'
                    AND entries.allowance_id = book.allowance_id AND entries.user_id = book.user_id) AS refunds,
                EXISTS (SELECT FROM entries WHERE entries.org_id = tenant() AND kind = 'correction'
                    AND entries.allowance_id = book.allowance_id AND entries.user_id = book.user_id) AS corrected
            FROM allowance_books AS book LEFT JOIN accounts AS account
                ON account.org_id = book.org_id AND account.allowance_id = book.allowance_id
                    AND account.user_id = book.user_id
            WHERE book.org_id = tenant()
            GROUP BY book.org_id, book.allowance_id, book.user_id
        ) AS held
        """,
    ),
)

STATE = """
SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(
    ':', allowance_id, user_id, seq, granted, spent_total, refunded_total, epoch_seconds(lower(period)),
    epoch_seconds(upper(period))
), ',' ORDER BY allowance_id), ''), 'UTF8')), 'hex')
FROM allowance_books WHERE org_id = tenant() AND NOT outlived
"""
"""I6: the hash of all allowances' states as the ledger knows them, to compare with recognition's own."""
