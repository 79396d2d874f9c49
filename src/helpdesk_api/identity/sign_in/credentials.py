"""The one refusal of a sign-in, whatever is wrong with it."""

from helpdesk_api.domain.errors import UnauthenticatedError


class InvalidCredentialsError(UnauthenticatedError):
    """The tenant, the address, the password or the code is not right; which of them is not told."""

    code = "invalid_credentials"
    title = "The credentials are not right"


def invalid_credentials() -> InvalidCredentialsError:
    """Word the refusal."""
    return InvalidCredentialsError("The tenant, the e-mail address or what was given to prove it is not right.")
