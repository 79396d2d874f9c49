"""`helpdesk openapi`: the API's description, for the repository and for generators of clients."""

import typer

from helpdesk_api.openapi import rendered


def openapi() -> None:
    """Print the OpenAPI document of this version; needs neither database nor configuration."""
    typer.echo(rendered(), nl=False)
