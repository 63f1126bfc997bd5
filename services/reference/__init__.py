"""What a reader gets of the OpenAPI document: a page with samples, and a collection for Postman."""

from services.reference.page import page
from services.reference.postman import collection

__all__ = ["collection", "page"]
