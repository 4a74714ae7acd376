"""An object store whose policy refuses what one workspace writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from botocore.exceptions import ClientError

from tests.chaos.disturbance import Deed, Moment
from tests.chaos.final_state import bucket_of
from tests.support.own_shard import Shard


def bucket_deeds(shard: Shard, workspaces: Sequence[str]) -> list[Deed]:
    return [Deed("refuse writes", 2, partial(_refuse_writes, shard, workspaces))]


def _refuse_writes(shard: Shard, workspaces: Sequence[str], moment: Moment) -> str:
    """Sources and outputs of one workspace."""
    with bucket_of(shard) as (client, bucket):
        theirs = f"arn:aws:s3:::{bucket}/workspaces/{moment.drawn.choice(workspaces)}/*"
        denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": theirs}
        policy = {"Version": "2012-10-17", "Statement": [denied]}
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        try:
            moment.pause(moment.seconds)
        finally:
            allow(shard)
    return "refused a workspace's objects"


def allow(shard: Shard) -> None:
    """Takes back what is refused. Raises where the store does not answer."""
    with bucket_of(shard) as (client, bucket):
        try:
            client.delete_bucket_policy(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
