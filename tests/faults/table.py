"""The rows: fault, how often, and the figures that it must keep. F51 is first: it handles all kept events again."""

from __future__ import annotations

from tests.faults import clocks, crashes, kills, messages, network, races, servers, upgrades
from tests.faults.row import Row

dies_at, both_cuts, ragged = crashes.dies_at, network.both_cuts, network.ragged
database, broker = network.database, network.broker

ROWS = (
    Row("F51", "ledger rebuilt from the kept events", messages.rebuilt, (0, 1), (40, 300), loaded=False),
    Row("F1", "kill -9 of recognition", kills.kill("recognition"), (0, 3), back=3),
    Row("F2", "kill -9 of quota", kills.kill("quota"), (1, 3), always=True, caught_up=10),
    Row("F3", "kill -9 of moderation", kills.kill("moderation"), (0, 3), always=True, caught_up=10),
    Row("F4", "kill -9 of auth", kills.kill("auth"), (0, 3), always=True, caught_up=10),
    Row("F5", "kill -9 of the gateway, the only one", kills.kill("gateway"), (0, 3), back=2),
    Row("F6", "kill -9 of all PostgreSQL processes", kills.kill_database, (0, 2)),
    Row("F7", "kill -9 of RabbitMQ", kills.kill_broker, (1, 2), always=True),
    Row("F8", "RabbitMQ's disk wiped", kills.wipe_broker, (0, 1), always=True, caught_up=60),
    Row("F9", "kill -9 of everything at once", kills.kill_everything, (1, 2), back=30),
    Row("F10", "database cut off, then silent, 1 s each", both_cuts(database, 1), (1, 1), slowest=5, back=2),
    Row("F10", "database cut off, then silent, 10 s each", both_cuts(database, 10), (0, 1), slowest=5, back=2),
    Row("F11", "broker cut off, then silent, 2 s each", both_cuts(broker, 2), (0, 1), always=True),
    Row("F11", "broker cut off, then silent, 10 s each", both_cuts(broker, 10), (0, 1), always=True),
    Row("F13", "database answers 50, 200, 1000 ms later", network.slow_database, (0, 1)),
    Row("F14", "broker at 10 kB/s", network.slow_broker, (0, 1), always=True),
    Row("F15", "database: bytes one by one, resets anywhere", ragged(database), (0, 1)),
    Row("F15", "broker: bytes one by one, resets anywhere", ragged(broker), (0, 1), always=True),
    Row("F16", "answer to a commit lost", network.lost_commits, (1, 1), (30, 500), loaded=False),
    Row("F17", "relay dies between publish and mark", dies_at("recognition", "relay.after_publish"), (1, 1), (1, 6)),
    Row("F18", "death with events committed and unsent", crashes.unsent_at_a_kill, (0, 1), (1, 6)),
    Row("F19", "consumer dies before the ack", dies_at("quota", "consumer.before_ack"), (0, 1), (1, 6), always=True),
    Row("F20", "consumer dies before commit", dies_at("quota", "inbox.before_commit"), (0, 1), (1, 6), always=True),
    Row("F21", "each event two to ten times", messages.duplicates, (0, 1), (10, 100), loaded=False),
    Row("F22", "events in any order", messages.shuffled, (1, 1), (10, 200), loaded=False),
    Row("F23", "malformed messages", messages.malformed, (0, 1), (100, 2_000), loaded=False),
    Row("F24", "messages of 1, 16 and 128 MB", messages.oversized, (0, 1), loaded=False),
    Row("F25", "unknown types and later versions", messages.unknown_types, (0, 1), loaded=False),
    Row("F26", "event that kills its consumer, 32 under way", crashes.poison, (1, 1), loaded=False),
    Row("F27", "frozen consumer", crashes.frozen_consumer, (0, 1), always=True),
    Row("F27", "frozen relay", crashes.frozen_relay, (0, 1), always=True),
    Row("F28", "event forged by another service", messages.forged, (0, 1), loaded=False),
    Row("F29", "disk of a table full", servers.full_disk, (0, 1), loaded=False),
    Row("F30", "alarms of the broker's disk and memory", servers.alarms, (0, 1), always=True, caught_up=60),
    Row("F32", "clocks an hour and a day wrong, stepping", clocks.stepped_clocks, (1, 1), loaded=False, limit=10),
    Row("F33", "a period ends under load", clocks.over_the_end_of_a_period, (0, 1), loaded=False),
    Row("F35", "640 requests for 10 hi5s, 64 connections", races.one_balance, (1, 1), (1, 3), loaded=False, limit=10),
    Row("F36", "64 connections under one key", races.one_key, (0, 1), (5, 50), loaded=False),
    Row("F37", "hidden while 63 requests spend on it", races.hide_while_spending, (0, 1), (5, 40), loaded=False),
    Row("F38", "limit lowered and raised under load", races.change_limits, (0, 1), (10, 100), always=True),
    Row(
        "F39", "giver leaves while spending, comes back", races.deactivate_while_spending, (0, 1), (2, 20), loaded=False
    ),
    Row("F40", "all connections wait for a lock (F41 too)", servers.locked_tables, (1, 1), loaded=False),
    Row("F48", "two instances of each service restarted in turn", kills.restart_each, (0, 3), back=3),
    Row("F49", "two versions side by side", upgrades.two_versions, (0, 1), back=3),
)
