"""Creation of a file in a storage unless one is there: the one write that two drivers contend for.

pyarrow has no such call, so the store is asked in its own way: a folder by exclusive creation, S3
by `If-None-Match: *`, Google Cloud by `ifGenerationMatch=0`. All else goes through pyarrow.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from captcha_models.errors import InputError, one_line
from search.store.tries import HURRIED

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_THERE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_AWAY = (429, 500, 502, 503, 504)
_TIMEOUT_S = 15
_CLUSTER = "needs what clusters need: pip install 'captcha-search[cluster]'"


def create(address: str, system: "FileSystem", place: str, data: bytes) -> bool:
    """Put a file where there is none.

    Args:
        address: of the storage.
        system: opened from the address.
        place: of the file in the file system.
        data: what it shall hold.

    Returns:
        Whether the store says that this call did it. After a lost answer it may say no to the one
        that did: read the file.

    Raises:
        OSError: the store cannot be reached, or refuses.
        InputError: it knows no such write.
    """
    if system.type_name == "local":
        return _in_folder(Path(place), data)
    bucket, _, key = place.partition("/")
    if system.type_name == "s3":
        return _in_s3(urlsplit(address), system.region, bucket, key, data)
    if system.type_name == "gcs":
        return _in_google(urlsplit(address), bucket, key, data)
    raise InputError(
        f"storage {address}: two searches could write it at once, for it cannot be asked to write "
        "a file unless it is there; give a folder that all machines share, s3:// or gs://"
    )


def _in_folder(file: Path, data: bytes) -> bool:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(file, "xb") as new:
            new.write(data)
            new.flush()
            os.fsync(new.fileno())
    except FileExistsError:
        return False
    return True


def _in_s3(address: SplitResult, region: str, bucket: str, key: str, data: bytes) -> bool:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise InputError(f"storage in s3:// {_CLUSTER}") from None
    options = dict(parse_qsl(address.query))
    endpoint = _endpoint(options, "")
    style = "path" if endpoint else "auto"
    client = boto3.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint or None,
        aws_access_key_id=unquote(address.username) if address.username else None,
        aws_secret_access_key=unquote(address.password) if address.password else None,
        config=Config(
            connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, s3={"addressing_style": style},
            retries={"total_max_attempts": HURRIED, "mode": "standard"},
        ),
    )  # fmt: skip
    try:
        client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
    except ClientError as error:
        if str(error.response.get("Error", {}).get("Code")) in _THERE:
            return False
        raise OSError(one_line(error)) from None
    except BotoCoreError as error:
        raise OSError(one_line(error)) from None
    finally:
        client.close()
    return True


def _in_google(address: SplitResult, bucket: str, key: str, data: bytes) -> bool:
    try:
        import requests
        from google.auth import default
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import AuthorizedSession
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry
    except ImportError:
        raise InputError(f"storage in gs:// {_CLUSTER}") from None
    endpoint = _endpoint(dict(parse_qsl(address.query)), "storage.googleapis.com")
    try:
        session: Any
        if address.username == "anonymous":
            session = requests.Session()
        else:
            scope = "https://www.googleapis.com/auth/devstorage.read_write"
            session = AuthorizedSession(default(scopes=[scope])[0])
        with session:
            # An answer that got lost is asked for again, and is a no then: as `create` says.
            again = Retry(HURRIED - 1, backoff_factor=0.5, status_forcelist=_AWAY,
                          allowed_methods=None)  # fmt: skip
            session.mount(endpoint, HTTPAdapter(max_retries=again))
            answer = session.post(
                f"{endpoint}/upload/storage/v1/b/{quote(bucket, safe='')}/o",
                params={"uploadType": "media", "name": key, "ifGenerationMatch": "0"},
                data=data,
                timeout=_TIMEOUT_S,
            )
    except (requests.RequestException, GoogleAuthError) as error:
        raise OSError(one_line(error)) from None
    if answer.status_code == requests.codes.precondition_failed:
        return False
    if not answer.ok:
        raise OSError(f"{answer.status_code} {answer.reason}: {bucket}/{key}")
    return True


def _endpoint(options: dict[str, str], usual: str) -> str:
    """Address of the store's service, as pyarrow takes it from the storage's address."""
    host = options.get("endpoint_override", usual)
    return f"{options.get('scheme', 'https')}://{host}" if host else ""
