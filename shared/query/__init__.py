"""One small query engine: from one declaration of a kind come the parser, the SQL, the errors and the document."""

from shared.query.asking import Asked
from shared.query.declaration import Field, Index, Kind
from shared.query.routes import answer, asked_in, query_route
from shared.query.schemas import in_query_string, partly

__all__ = ["Asked", "Field", "Index", "Kind", "answer", "asked_in", "in_query_string", "partly", "query_route"]
