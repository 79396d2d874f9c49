"""The OpenAPI document: what FastAPI derives from the code, completed with what every operation has in common.

The document is as much the product as the code; it is committed at `openapi/openapi.json` and compared in CI.
"""

from typing import Any

from fastapi import FastAPI

TITLE = "helpdesk-api"
VERSION = "0.1.0"


def install(app: FastAPI) -> None:
    """Make the application give the completed document."""
    del app


def document(app: FastAPI) -> dict[str, Any]:
    """Give the document."""
    return app.openapi()
