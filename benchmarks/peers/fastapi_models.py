"""The recognition service's tables as SQLAlchemy's declarative classes, and its answers as Pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, Identity, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(AsyncAttrs, DeclarativeBase):
    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True), dict[str, Any]: JSONB}
    __table_args__: Any = {"schema": "recognition"}


class CoreValue(Base):
    __tablename__ = "core_values"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    description: Mapped[str]
    thumbnail: Mapped[str | None]


class Member(Base):
    __tablename__ = "members"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    display_name: Mapped[str]
    profile_image_url: Mapped[str | None]
    active: Mapped[bool]


class Recognition(Base):
    __tablename__ = "recognitions"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "core_value_id"], [CoreValue.org_id, CoreValue.id]),
        ForeignKeyConstraint(["org_id", "given_for"], [Member.org_id, Member.user_id]),
        ForeignKeyConstraint(["org_id", "given_by"], [Member.org_id, Member.user_id]),
        Base.__table_args__,
    )
    org_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    text: Mapped[str]
    given_for: Mapped[int]
    given_by: Mapped[int]
    core_value_id: Mapped[int]
    given_at: Mapped[datetime]
    hi5_count: Mapped[int]
    hidden: Mapped[bool]
    deleted_at: Mapped[datetime | None]
    core_value: Mapped[CoreValue] = relationship(viewonly=True)
    given_for_user: Mapped[Member] = relationship(
        foreign_keys="[Recognition.org_id, Recognition.given_for]", viewonly=True
    )
    given_by_user: Mapped[Member] = relationship(
        foreign_keys="[Recognition.org_id, Recognition.given_by]", viewonly=True
    )


class Hi5(Base):
    __tablename__ = "hi5s"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    recognition_id: Mapped[int]
    given_by: Mapped[int]
    given_at: Mapped[datetime]
    comment: Mapped[str | None]


class Policy(Base):
    __tablename__ = "policies"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    hi5_limit: Mapped[int]


class Allowance(Base):
    __tablename__ = "allowances"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    granted: Mapped[int]
    spent_total: Mapped[int]
    refunded_total: Mapped[int]
    seq: Mapped[int]
    policy_version: Mapped[int]
    adjustments_version: Mapped[int]


class Spend(Base):
    __tablename__ = "spends"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    allowance_id: Mapped[int]
    seq: Mapped[int]
    kind: Mapped[str]
    user_id: Mapped[int]
    recognition_id: Mapped[int]
    hi5_id: Mapped[int | None]
    at: Mapped[datetime]
    policy_version: Mapped[int]
    target: Mapped[int]
    net: Mapped[int]


class ReceivedCount(Base):
    __tablename__ = "received_counts"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    version: Mapped[int]


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"
    org_id: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    status: Mapped[int | None]
    answer: Mapped[bytes | None]


class Outbox(Base):
    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    org_id: Mapped[int]
    type: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


def _seconds(moment: datetime | int) -> int:
    return int(moment.timestamp()) if isinstance(moment, datetime) else moment


Seconds = Annotated[int, BeforeValidator(_seconds)]


class FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PersonCard(FromRow):
    id: int = Field(validation_alias="user_id")
    first_name: str
    last_name: str
    display_name: str
    profile_image_url: str | None


class CoreValueCard(FromRow):
    id: int
    text: str
    description: str
    thumbnail: str | None


class RecognitionOut(FromRow):
    id: int
    text: str
    given_for: int
    given_by: int
    given_at: Seconds
    core_value: CoreValueCard
    hi5_count: int
    given_for_user: PersonCard
    given_by_user: PersonCard


class PageMeta(BaseModel):
    limit: int
    offset: int
    next_cursor: str | None = None


class RecognitionPage(BaseModel):
    data: list[RecognitionOut]
    meta: PageMeta


class Hi5In(BaseModel):
    comment: str | None = Field(default=None, max_length=500)


class Hi5Out(FromRow):
    id: int
    recognition_id: int
    given_by: int
    given_at: Seconds
    comment: str | None


class Balance(BaseModel):
    hi5_quota_balance: int
    resets_at: Seconds


class Hi5Answer(BaseModel):
    data: Hi5Out
    meta: Balance
