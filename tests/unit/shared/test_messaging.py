"""The parts of messaging that need no server."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.bus.deliveries import CLEAN_COMMITS, Trust
from shared.bus.topology import Binding, topology
from shared.failpoints import parse
from shared.inbox import MAX_TRIES, MissingPrerequisite, pause_after, reason_of, wait_after
from shared.replay import requests

SUBSCRIPTIONS = {"auth": {"Hi5BalanceChanged.v1"}, "quota": {"Hi5Spent.v1", "UserJoined.v1"}, "recognition": set[str]()}


class TestTrust:
    def test_one_message_at_a_time_until_fifty_have_passed(self) -> None:
        trust = Trust()
        for _ in range(CLEAN_COMMITS):
            assert trust.prefetch == 1
            trust.passed(redelivered=False)
        assert trust.prefetch == 32

    def test_message_that_came_again_begins_anew(self) -> None:
        trust = Trust(clean=CLEAN_COMMITS)
        trust.passed(redelivered=True)
        assert trust.prefetch == 1


class TestPauses:
    def test_pauses_grow_and_twelve_tries_take_some_minutes(self) -> None:
        pauses = [pause_after(tries) for tries in range(MAX_TRIES - 1)]
        assert pauses == sorted(pauses)
        assert timedelta(minutes=3) < sum(pauses, timedelta()) < timedelta(minutes=10)

    def test_waiting_is_looked_after_ever_more_rarely(self) -> None:
        assert wait_after(timedelta()) == timedelta(minutes=1)
        assert wait_after(timedelta(minutes=10)) == timedelta(minutes=10)
        assert wait_after(timedelta(days=10)) == timedelta(hours=1)

    def test_reason_is_storable(self) -> None:
        assert reason_of(ValueError("a\0b")) == "ValueError: a\\0b"
        assert len(reason_of(ValueError("x" * 10_000))) == 2_000
        assert reason_of(MissingPrerequisite("user/1")) == "waits for user/1"


class TestRequests:
    def test_types_with_the_same_hole_share_a_request(self) -> None:
        rows = [
            {"publisher": "auth", "type": "UserJoined.v1", "head": 9, "holes": [[1, 9]]},
            {"publisher": "auth", "type": "UserChanged.v1", "head": 5, "holes": [[1, 5]]},
            {"publisher": "auth", "type": "OrganisationChanged.v1", "head": 5, "holes": [[2, 3], [5, 5]]},
        ]
        asked = {(one.types, one.first, one.last) for one in requests("quota", rows)}
        assert asked == {
            (("UserChanged.v1", "UserJoined.v1"), 1, None),
            (("OrganisationChanged.v1",), 2, 3),
            (("OrganisationChanged.v1",), 5, None),
        }
        assert {(one.publisher, one.consumer) for one in requests("quota", rows)} == {("auth", "quota")}

    def test_nothing_missing_asks_nothing(self) -> None:
        row = {"publisher": "auth", "type": "UserJoined.v1", "head": 9, "holes": None}
        assert requests("quota", [row]) == []


class TestTopology:
    def test_handled_type_goes_to_its_queue_only(self) -> None:
        bindings = topology(SUBSCRIPTIONS).bindings
        assert Binding("peerly.recognition", "quota.events", "Hi5Spent.v1") in bindings
        assert Binding("peerly.recognition", "unrouted", "Hi5Spent.v1", wanted=False) in bindings
        assert Binding("peerly.recognition", "auth.events", "Hi5Spent.v1", wanted=False) in bindings

    def test_what_decides_who_is_let_in_waits_behind_nothing_else(self) -> None:
        urgent = {"SessionRevoked.v1", "SigningKeysChanged.v1", "IdentityProviderChanged.v1"}
        bindings = topology({"auth": set[str](), "quota": urgent | {"UserJoined.v1"}}).bindings
        for wire_type in urgent:
            assert Binding("peerly.auth", "quota.urgent", wire_type) in bindings
            assert Binding("peerly.auth", "quota.events", wire_type, wanted=False) in bindings
        assert Binding("peerly.auth", "quota.urgent", "UserJoined.v1", wanted=False) in bindings

    def test_type_that_nobody_handles_has_a_place(self) -> None:
        assert Binding("peerly.recognition", "unrouted", "CoreValueCreated.v1") in topology(SUBSCRIPTIONS).bindings

    @pytest.mark.parametrize("service", SUBSCRIPTIONS)
    @pytest.mark.parametrize("publisher", SUBSCRIPTIONS)
    def test_every_service_hears_every_head_request_and_replay(self, service: str, publisher: str) -> None:
        for key in ("OutboxHead.v1", "EventsRequested.v1", f"replay.{service}"):
            assert Binding(f"peerly.{publisher}", f"{service}.events", key) in topology(SUBSCRIPTIONS).bindings

    def test_consumers_queue_never_drops(self) -> None:
        queue = next(queue for queue in topology(SUBSCRIPTIONS).queues if queue.name == "quota.events")
        assert queue.arguments == {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "dead.quota",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


def test_failpoints_are_named_with_their_chances() -> None:
    assert parse("") == {}
    assert parse("relay.after_publish:0.05, inbox.before_commit") == {
        "relay.after_publish": 0.05,
        "inbox.before_commit": 1.0,
    }
