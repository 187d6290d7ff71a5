"""Storages of each kind, as stand-ins on this machine alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.store._google import google


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An address in an object storage that stands in for the cloud's, on this machine alone."""
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3 = boto3.client("s3", "us-east-1", endpoint_url=f"http://{host}:{port}")
    s3.create_bucket(Bucket="bucket")
    yield f"s3://bucket/runs?scheme=http&region=us-east-1&endpoint_override={host}:{port}"
    server.stop()
    patch.undo()


@pytest.fixture(scope="module")
def google_bucket() -> Iterator[str]:
    """The same in one that stands in for Google's."""
    with google() as (_, place):
        yield f"gs://anonymous@bucket/runs?scheme=http&endpoint_override={place}"


@pytest.fixture(params=["shared folder", "S3", "Google"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address of each kind, with nothing there."""
    if request.param == "shared folder":
        return str(tmp_path / "shared")
    place: str = request.getfixturevalue("bucket" if request.param == "S3" else "google_bucket")
    return place.replace("/runs?", f"/{tmp_path.name}?")
