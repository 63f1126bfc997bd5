"""Looks at a world: after every step at what a step may have broken, at rest at everything."""

from __future__ import annotations

from tests.simulation import invariants
from tests.simulation.asks import Hi5, Recognise, Written
from tests.simulation.invariants import OF_QUOTA, OF_RECOGNITION
from tests.simulation.world import Violation, World

_PROOFS = {"recognition": invariants.together(OF_RECOGNITION), "quota": invariants.together(OF_QUOTA)}
AUDITED = tuple(_PROOFS)


async def check_step(world: World, service: str) -> None:
    """Raises `Violation`."""
    await _prove(world, service, at_rest=False)
    if service == "quota":
        await _check_history(world)


async def check_rest(world: World) -> None:
    """Raises `Violation`."""
    for service in _PROOFS:
        await _prove(world, service, at_rest=True)
    await _check_history(world)
    await _check_states(world)
    _raise(invariants.differing(await world.ground.admin.fetchval(invariants.AGREE, world.org_id)))
    await _check_balances(world)
    await _check_limits(world)
    await _check_answers(world)
    _raise([f"E twice in {name} {node.effects.twice}" for name, node in world.nodes.items() if node.effects.twice])


def _raise(found: list[str]) -> None:
    if found:
        raise Violation(", ".join(found))


async def _prove(world: World, service: str, *, at_rest: bool) -> None:
    auditor = world.ground.auditors[service]
    now = world.nodes[service].clock().isoformat()
    await auditor.execute(f"SET app.org_id = '{world.org_id}'; SET simulation.now = '{now}'")
    counted = await auditor.fetchval(_PROOFS[service])
    _raise(invariants.violated(counted, at_rest=at_rest))


async def _check_history(world: World) -> None:
    differing = await world.ground.admin.fetchval(invariants.HISTORY, world.org_id)
    _raise([f"I6 differing from its seq {differing}"] if differing else [])


async def _check_states(world: World) -> None:
    states = {name: (await world.read(name, query))[0][0] for name, query in invariants.STATES.items()}
    _raise(["I6 states differ"] if len(set(states.values())) > 1 else [])


async def _check_balances(world: World) -> None:
    """I9: what recognition would let a person spend is the balance that quota shows."""
    now = world.nodes["recognition"].clock()
    found = []
    for newest, limit in await world.read("recognition", invariants.IN_FORCE, now):
        decided = await world.ground.admin.fetchval(invariants.LIMIT, world.org_id)
        if limit != decided:
            found.append(f"I9 the limit in force is {limit} by policy {newest}, auth says {decided}")
    for user_id, rest in await world.read("recognition", invariants.CAN_SPEND, now):
        shown = await world.nodes["quota"].database.fetch_value(
            "SELECT (quota_now($1, $2, $3)::json ->> 'balance')::bigint", world.org_id, user_id, now
        )
        if shown != rest:
            found.append(f"I9 user {user_id} can spend {rest}, quota shows {shown}")
    _raise(found)


async def _check_limits(world: World) -> None:
    """I2 against what auth and quota decided: never more than the largest limit and all that was given extra."""
    adjusted = await world.read("quota", invariants.ADJUSTED)
    found = []
    for user_id, starts_at, ends_at, net in await world.read("recognition", invariants.HIGHEST):
        extra = sum(
            max(0, row["amount"]) for row in adjusted if row["user_id"] == user_id and starts_at <= row["at"] < ends_at
        )
        if net > max(world.limits) + extra:
            found.append(f"I2 user {user_id} spent {net} of {max(world.limits)} and {extra} extra")
    _raise(found)


async def _check_answers(world: World) -> None:
    """What was acknowledged is there once, and nothing else is."""
    hi5s, thanks = (await world.read("recognition", invariants.MADE))[0]
    adjusted = [row["id"] for row in await world.read("quota", invariants.ADJUSTED)]
    _compare("hi5s", [ask.made for ask in world.asks if isinstance(ask, Hi5)], hi5s)
    _compare("recognitions", [ask.made for ask in world.asks if isinstance(ask, Recognise)], thanks)
    told = [ask.made for ask in world.asks if isinstance(ask, Written) and ask.route.endswith("/adjustments")]
    _compare("adjustments", told, adjusted)


def _compare(what: str, told: list[int | None], there: list[int]) -> None:
    acknowledged = [made for made in told if made is not None]
    lost = sorted(set(acknowledged) - set(there))
    unexpected = sorted(set(there) - set(acknowledged))
    doubled = len(acknowledged) - len(set(acknowledged))
    if lost or unexpected or doubled:
        raise Violation(f"A {what}: lost {lost}, not acknowledged {unexpected}, the same twice {doubled}")
