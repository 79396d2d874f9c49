"""`helpdesk openapi`: the API's description, for the repository and for generators of clients."""

from typing import Annotated

import typer

from helpdesk_api.openapi import operator_rendered, rendered


def openapi(
    *, operator: Annotated[bool, typer.Option("--operator", help="Print that of `/operator/v1` instead.")] = False
) -> None:
    """Print the OpenAPI document of this version; needs neither database nor configuration."""
    typer.echo(operator_rendered() if operator else rendered(), nl=False)
