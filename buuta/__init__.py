"""What integrators install: the generated API (`buuta.v1`), a thin client and the command line.

`buuta.Client` and `buuta.ApiError` are loaded when asked for: the services
import `buuta.v1` and have no use for the client.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buuta.client import Client
    from buuta.errors import ApiError

__all__ = ["ApiError", "Client"]


def __getattr__(name: str) -> Any:
    if name == "Client":
        from buuta.client import Client

        return Client
    if name == "ApiError":
        from buuta.errors import ApiError

        return ApiError
    raise AttributeError(name)
