"""Customers in and out: the fields of organisations under PeerAssist's names."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from services.auth.domain.customers import COLUMNS, camel_case
from services.auth.schemas import ChangeOrganisation, Email, Organisation
from shared.http.fields import Text


class CamelCase(ma.Schema):
    """Names on the wire as `zipCode`, in Python as `zip_code`."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        field_obj.data_key = camel_case(field_name)


class WriteCustomer(CamelCase, ChangeOrganisation):
    """Unknown keys, the templates and switches of PeerAssist among them, are left out."""

    class Meta:
        unknown = ma.EXCLUDE
        fields = tuple(column for column in COLUMNS if column != "id")

    name = Text(1, 200, required=True)
    contact_email = Email(required=True)


class Customer(CamelCase, Organisation):
    class Meta:
        fields = COLUMNS


WRITE_CUSTOMER = WriteCustomer()
CUSTOMER = Customer()
