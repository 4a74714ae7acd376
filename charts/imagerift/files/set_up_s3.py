"""Makes the bucket in the bundled S3 server as its administrator, then stays beside it."""

import json
import os
import pathlib
import signal
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

READY = pathlib.Path("/tmp/ready")  # noqa: S108 (the pod's own volume)
IDENTITIES = pathlib.Path("/secret/identities.json")
POLL_SECONDS = 0.5


def is_ready(client, bucket):
    """Whether the bucket is there, after trying to make it."""
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("BucketAlready"):
            sys.stderr.write("not yet: refused\n")
            return False
    except BotoCoreError as error:
        sys.stderr.write(f"not yet: {type(error).__name__}\n")
        return False
    return True


def administrator(path):
    """The keys of the one who may make buckets."""
    identities = json.loads(path.read_text())["identities"]
    found = next(entry for entry in identities if "Admin" in entry["actions"])
    return found["credentials"][0]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    keys = administrator(pathlib.Path(os.environ.get("S3_IDENTITIES", IDENTITIES)))
    client = boto3.client(
        "s3",
        endpoint_url=os.environ.get("S3_URL", "http://127.0.0.1:8333"),
        region_name=os.environ["S3_REGION"],
        aws_access_key_id=keys["accessKey"],
        aws_secret_access_key=keys["secretKey"],
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            proxies={},
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": 1},
        ),
    )
    while not is_ready(client, os.environ["S3_BUCKET"]):
        time.sleep(POLL_SECONDS)
    pathlib.Path(os.environ.get("READY_FILE", READY)).touch()
    while True:
        signal.pause()


main()
