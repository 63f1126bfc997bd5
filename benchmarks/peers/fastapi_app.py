"""FastAPI, SQLAlchemy 2 and Pydantic on uvicorn, as their documentation recommends: the feed, and a hi5.

`python -m benchmarks.peers.fastapi_app PORT` with DATABASE_URL (an administrator's: it names the tenant in each query,
row-level security does not) and PUBLIC_KEY, the x of the key that signs tokens.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.functions import now

from benchmarks.peers.fastapi_models import (
    Allowance,
    Balance,
    Hi5,
    Hi5Answer,
    Hi5In,
    Hi5Out,
    IdempotencyKey,
    Outbox,
    PageMeta,
    Policy,
    ReceivedCount,
    Recognition,
    RecognitionOut,
    RecognitionPage,
    Spend,
)
from shared.identity.claims import NAMESPACE

ISSUER, AUDIENCE = "node.peerly.com", "peerly.com"
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=8, max_overflow=0
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
public_key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(os.environ["PUBLIC_KEY"] + "=="))
app = FastAPI()


class User(BaseModel):
    id: int
    org_id: int


async def current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> User:
    try:
        claims = jwt.decode(credentials.credentials, public_key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER)
    except jwt.InvalidTokenError:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Invalid token") from None
    return User(id=int(claims["sub"]), org_id=claims[NAMESPACE]["orgId"])


async def session() -> AsyncIterator[AsyncSession]:
    async with new_session() as opened:
        yield opened


CurrentUser = Annotated[User, Depends(current_user)]
Session = Annotated[AsyncSession, Depends(session)]


@app.get("/recognitions")
async def list_recognitions(
    user: CurrentUser, db: Session, limit: Annotated[int, Query(ge=1, le=100)] = 20, offset: int = 0
) -> RecognitionPage:
    rows = await db.scalars(
        select(Recognition)
        .where(Recognition.org_id == user.org_id, ~Recognition.hidden, Recognition.deleted_at.is_(None))
        .order_by(Recognition.given_at.desc(), Recognition.id.desc())
        .offset(offset)
        .limit(limit + 1)
        .options(
            joinedload(Recognition.core_value),
            joinedload(Recognition.given_for_user),
            joinedload(Recognition.given_by_user),
        )
    )
    found = rows.all()
    shown = found[:limit]
    more = f"{shown[-1].given_at.timestamp()}.{shown[-1].id}" if len(found) > limit else None
    data = [RecognitionOut.model_validate(row) for row in shown]
    return RecognitionPage(data=data, meta=PageMeta(limit=limit, offset=offset, next_cursor=more))


@app.post("/recognitions/{recognition_id}/hi5", status_code=status.HTTP_201_CREATED, response_model=Hi5Answer)
async def give_hi5(  # noqa: PLR0917 - FastAPI names what it passes
    recognition_id: int,
    body: Hi5In,
    request: Request,
    user: CurrentUser,
    db: Session,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Hi5Answer | Response:
    async with db.begin():
        kept = await _claim(db, user, idempotency_key, await request.body())
        if kept is not None and kept.answer is not None:
            return Response(kept.answer, kept.status or 200, media_type="application/json")
        answer = await _give(db, user, recognition_id, body.comment)
        if kept is not None:
            kept.status, kept.answer = status.HTTP_201_CREATED, answer.model_dump_json().encode()
    return answer


async def _claim(db: AsyncSession, user: User, key: str | None, body: bytes) -> IdempotencyKey | None:
    if key is None:
        return None
    named = {"org_id": user.org_id, "caller": str(user.id), "route": "POST hi5", "key": key}
    kept = await db.get(IdempotencyKey, named)
    if kept is None:
        kept = IdempotencyKey(**named, body_hash=hashlib.sha256(body).digest())
        db.add(kept)
    return kept


async def _give(db: AsyncSession, user: User, recognition_id: int, comment: str | None) -> Hi5Answer:
    recognition = await db.scalar(
        select(Recognition)
        .where(
            Recognition.org_id == user.org_id,
            Recognition.id == recognition_id,
            ~Recognition.hidden,
            Recognition.deleted_at.is_(None),
        )
        .with_for_update()
    )
    if recognition is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "No such recognition")
    if recognition.given_for == user.id:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "This recognition is your own")
    recognition.hi5_count += 1
    moment = datetime.now(UTC)
    hi5 = Hi5(org_id=user.org_id, recognition_id=recognition_id, given_by=user.id, given_at=moment, comment=comment)
    db.add(hi5)
    await db.flush()
    allowance = await _spend(db, user, hi5)
    count = await _count(db, user.org_id, recognition.given_for)
    told = Hi5Out.model_validate(hi5)
    spent = {**told.model_dump(), "given_for": recognition.given_for, "allowance": _block(allowance)}
    received = {"user_id": count.user_id, "count": count.count, "version": count.version}
    db.add(Outbox(org_id=user.org_id, type="Hi5Spent.v1", subject=f"recognition/{recognition_id}", data=spent))
    db.add(Outbox(org_id=user.org_id, type="Hi5sReceivedChanged.v1", subject=f"user/{count.user_id}", data=received))
    left = allowance.granted - allowance.spent_total + allowance.refunded_total
    return Hi5Answer(
        data=told, meta=Balance.model_validate({"hi5_quota_balance": left, "resets_at": allowance.ends_at})
    )


async def _spend(db: AsyncSession, user: User, hi5: Hi5) -> Allowance:
    allowance = await db.scalar(
        select(Allowance)
        .where(Allowance.org_id == user.org_id, Allowance.user_id == user.id, Allowance.ends_at > now())
        .order_by(Allowance.ends_at)
        .limit(1)
        .with_for_update()
    )
    policy = await db.scalar(
        select(Policy).where(Policy.org_id == user.org_id).order_by(Policy.version.desc()).limit(1)
    )
    if allowance is None or policy is None:
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, "No allowance")
    net = allowance.spent_total - allowance.refunded_total
    if net >= policy.hi5_limit:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "No hi5s left")
    allowance.spent_total += 1
    allowance.seq += 1
    allowance.granted, allowance.policy_version = policy.hi5_limit, policy.version
    db.add(
        Spend(
            org_id=user.org_id, allowance_id=allowance.id, seq=allowance.seq, kind="hi5", user_id=user.id,
            recognition_id=hi5.recognition_id, hi5_id=hi5.id, at=hi5.given_at, policy_version=policy.version,
            target=policy.hi5_limit, net=net + 1,
        )
    )  # fmt: skip
    return allowance


async def _count(db: AsyncSession, org_id: int, receiver: int) -> ReceivedCount:
    count = await db.get(ReceivedCount, {"org_id": org_id, "user_id": receiver}, with_for_update=True)
    if count is None:
        count = ReceivedCount(org_id=org_id, user_id=receiver, count=0, version=0)
        db.add(count)
    count.count += 1
    count.version += 1
    return count


def _block(allowance: Allowance) -> dict[str, Any]:
    return {
        "id": allowance.id,
        "user_id": allowance.user_id,
        "seq": allowance.seq,
        "starts_at": int(allowance.starts_at.timestamp()),
        "ends_at": int(allowance.ends_at.timestamp()),
        "granted": allowance.granted,
        "spent_total": allowance.spent_total,
        "refunded_total": allowance.refunded_total,
        "policy_version": allowance.policy_version,
        "adjustments_version": allowance.adjustments_version,
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False)
