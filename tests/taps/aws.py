"""moto in place of AWS, on a port of this machine."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from demo.processes import free_port, running, wait_until_ready
from tests.taps.piping import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "a-test", "AWS_SECRET_ACCESS_KEY": "a-test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class Aws:
    """The services of AWS that a test fills."""

    url: str

    @property
    def variables(self) -> dict[str, str]:
        """The variables that have boto3 ask here; TZ since tap-s3-csv takes the machine's time for UTC."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.url, "TZ": "UTC"}

    def put(self, path: str, text: str = "") -> None:
        """Make a bucket, or put a file into it."""
        url = f"{self.url}/{path}"
        requests.put(url, text.encode(), headers=_signed("s3"), timeout=60).raise_for_status()

    def dynamodb(self, action: str, **request: Any) -> None:
        """Call DynamoDB."""
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{action}", **_signed("dynamodb")}
        requests.post(self.url, json.dumps(request), headers=headers, timeout=60).raise_for_status()

    def answers(self) -> bool:
        """Check whether it is up."""
        try:
            return requests.get(self.url, timeout=60).ok
        except requests.ConnectionError:
            return False


@contextmanager
def running_aws(folder: Path) -> Iterator[Aws]:
    """Run it until the block ends."""
    port, log = free_port(), folder / "moto.log"
    aws = Aws(f"http://127.0.0.1:{port}")
    with running([command("moto", "moto_server"), "--host", "127.0.0.1", "--port", str(port)], log) as process:
        wait_until_ready("moto", process, log, aws.answers)
        yield aws


def _signed(service: str) -> dict[str, str]:
    """The header that names the service; moto believes every signature."""
    scope = f"{KEYS['AWS_ACCESS_KEY_ID']}/20260101/{KEYS['AWS_DEFAULT_REGION']}/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
