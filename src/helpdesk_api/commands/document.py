"""`helpdesk openapi`: the API's description, for the repository and for generators of clients."""

import json

import typer

from helpdesk_api import openapi as description
from helpdesk_api.main import create_app
from helpdesk_api.settings import load_settings


def openapi() -> None:
    """Print the OpenAPI document of this version; needs neither database nor configuration."""
    # The document belongs to the version, so nothing of this machine's environment may show in it.
    document = description.document(create_app(load_settings({})))
    typer.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
