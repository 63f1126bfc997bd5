"""That nothing is overspent and nothing lost, computed now."""

from __future__ import annotations

from services.recognition.proof import INVARIANTS
from shared.http import Answer, Call, listed_whole, operation
from shared.proof import INVARIANT, prove


@operation(
    summary="Prove the invariants of allowances and hi5s",
    description="Each with its query and what it counted, now. Events on their way show in I8 until they are sent.",
    permission="view:proof",
    answers={200: INVARIANT},
    many=True,
    resource="Proof",
    tag="Proof",
)
async def prove_hi5s(call: Call) -> Answer:
    async with call.read() as tx:
        invariants = await prove(tx, INVARIANTS)
    return listed_whole(call, invariants, len(invariants))
