"""Address of Ray: refused at once where nobody listens, or something else does."""

import contextlib
import os
import socket
from importlib.util import find_spec
from pathlib import Path

from captcha_models.errors import InputError

_ANSWER_S = 4.0


def _assert_extra() -> None:
    """Refuse a cluster without what clusters need; Ray would fail on its workers, and unclearly."""
    if missing := [name for name in ("aiohttp", "aiohttp_cors", "grpc") if find_spec(name) is None]:
        raise InputError(
            f"a cluster needs the extra `cluster` ({', '.join(missing)} is missing): "
            "pip install 'captcha-search[cluster]', or make setup"
        )


def check_address(address: str | None) -> str:
    """The address to connect to, refused where no Ray listens; Ray itself would try for minutes.

    A refused port is found out by TCP at once, where gRPC would wait; another kind of server by
    gRPC, which Ray speaks.

    Args:
        address: as `connect` takes it.

    Raises:
        InputError: nobody listens there, or something else does, or what clusters need is missing.
    """
    wanted = address or os.environ.get("RAY_ADDRESS") or "local"
    host, colon, port = wanted.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return wanted
    with contextlib.suppress(UnicodeError, OverflowError):
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        except OSError as error:
            raise InputError(f"no Ray answers at {wanted}: {error.strerror or error}") from None
        _assert_extra()
        import grpc

        with grpc.insecure_channel(f"{host}:{port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=_ANSWER_S)
            except grpc.FutureTimeoutError:
                raise InputError(f"no Ray answers at {wanted}: something else is there") from None
    return wanted


def has_token() -> bool:
    """Whether a cluster's token is at hand, in the environment or where Ray looks for it."""
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return given or (Path.home() / ".ray" / "auth_token").is_file()
