"""The HTTP side of a service: one declaration a route gives its parsing, its permission and its documentation."""

from shared.http.answers import Answer, Raw, created, listed, listed_whole, no_content, ok, tagged
from shared.http.call import Call
from shared.http.few import listed_few
from shared.http.operation import Failures, Operation, Route, operation
from shared.http.paging import Page, PageQuery, decode_cursor, encode_cursor

__all__ = [
    "Answer",
    "Call",
    "Failures",
    "Operation",
    "Page",
    "PageQuery",
    "Raw",
    "Route",
    "created",
    "decode_cursor",
    "encode_cursor",
    "listed",
    "listed_few",
    "listed_whole",
    "no_content",
    "ok",
    "operation",
    "tagged",
]
