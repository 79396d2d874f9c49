"""The OpenAPI document: what FastAPI derives from the code, completed with what every operation has in common.

The document is as much the product as the code; it is committed at `openapi/openapi.json`, compared in CI, and served
at `/openapi.json` and, for people, at `/docs`. What only the operator can call has a document of its own.
"""

from helpdesk_api.openapi.document import document, operator_document, operator_rendered, rendered
from helpdesk_api.openapi.guide import TITLE, VERSION
from helpdesk_api.openapi.pages import install

__all__ = ["TITLE", "VERSION", "document", "install", "operator_document", "operator_rendered", "rendered"]
