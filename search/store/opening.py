"""File systems of storages, with the patience that each library has for a store that stutters.

pyarrow's own settings repeat a call that is refused, cut off or not answered, and give up at last.
An address alone is opened with its defaults, which give up an S3 that is not reached within 6 s.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem, S3FileSystem

from search.store.tries import HURRIED, PATIENT

if TYPE_CHECKING:
    from collections.abc import Callable

_GOOGLE_S = {PATIENT: 90, HURRIED: 5}
"""Seconds that as many tries come to."""
_CONNECT_S = 10.0
_SILENT_S = 30.0
"""So long an S3 that has taken a call may say nothing; the default are 3 s."""
_SWITCHES = {"allow_bucket_creation", "allow_bucket_deletion"}
_WORDS = {"region", "scheme", "endpoint_override", "tls_ca_file_path"}


class _S3(S3FileSystem):  # type: ignore[misc]
    """S3 whose tries are kept when it goes to a worker; pyarrow forgets them there."""

    def __init__(self, address: str, tries: int, **options: Any) -> None:
        super().__init__(
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=tries),
            connect_timeout=_CONNECT_S,
            request_timeout=_SILENT_S,
            # A small file is one call, not three.
            allow_delayed_open=True,
            **options,
        )
        self._given = address, tries

    def __reduce__(self) -> "tuple[Callable[..., FileSystem], tuple[str, int]]":
        return _open, self._given


def open_address(address: str, tries: int) -> tuple[FileSystem, str]:
    """The file system of an address, and the place in it.

    Args:
        address: such as `s3://bucket/runs`, with options as pyarrow reads them.
        tries: of one call, `PATIENT` or `HURRIED`.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: it is of no known kind.
    """
    if address.startswith(("gs://", "gcs://")) and "retry_limit_seconds" not in address:
        # What pyarrow leaves to the library is a quarter of an hour.
        address += f"{'&' if '?' in address else '?'}retry_limit_seconds={_GOOGLE_S[tries]}"
    system, place = FileSystem.from_uri(address)
    if isinstance(system, S3FileSystem):
        options = parse_qsl(urlsplit(address).query)
        # The few others can be set by an address alone.
        if {name for name, _ in options} <= _WORDS | _SWITCHES:
            system = _open(address, tries)
    return system, place


def _open(address: str, tries: int) -> FileSystem:
    parts = urlsplit(address)
    given = dict(parse_qsl(parts.query))
    options: dict[str, Any] = {k: v for k, v in given.items() if k in _WORDS}
    options |= {k: v.lower() in ("1", "true") for k, v in given.items() if k in _SWITCHES}
    if parts.username:
        options["access_key"] = unquote(parts.username)
        options["secret_key"] = unquote(parts.password or "")
    if "region" not in options:
        # As from_uri finds it: by the bucket.
        system, _ = FileSystem.from_uri(address)
        assert isinstance(system, S3FileSystem)
        options["region"] = system.region
    return _S3(address, tries, **options)
