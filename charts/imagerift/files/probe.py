"""`helm test`: makes a key, runs a job, downloads its picture as clients do, revokes the key."""

import base64
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from PIL import Image, ImageDraw

WORKSPACE = "helm-test"
ENDED = ("succeeded", "failed", "canceled")
POLL_SECONDS = 1.0
# Proxy variables are for the way to s3.publicUrl; the API is next door.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def admin(*arguments):
    done = subprocess.run(
        ["imagerift", "admin", *arguments],
        env={
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def workspace_id():
    for known in admin("workspace", "list"):
        if known["name"] == WORKSPACE:
            return known["workspaceId"]
    made = admin("workspace", "create", "--name", WORKSPACE, "--plan", os.environ["PROBE_PLAN"])
    return made["workspaceId"]


def picture():
    """A cup on a table, as bytes of a JPEG."""
    image = Image.new("RGB", (512, 384), (214, 206, 196))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 270, 512, 384), fill=(150, 110, 80))
    draw.rounded_rectangle((190, 140, 310, 300), 20, fill=(40, 90, 140))
    draw.ellipse((190, 125, 310, 160), fill=(60, 120, 175))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def call(method, path, token, body=None):
    request = urllib.request.Request(  # noqa: S310 (the chart's own address)
        os.environ["IMAGERIFT_API_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with DIRECT.open(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} answered {error.code}: {error.read().decode()}")


def download(link):
    """The picture behind a signed link. Ends the test where clients could not have it."""
    headers, address, opener = {}, link, urllib.request.build_opener()
    inside = os.environ.get("PROBE_DOWNLOADS_FROM")
    if inside:
        # The signature holds for the link's own host, wherever it is sent.
        parts = urllib.parse.urlsplit(link)
        origin = urllib.parse.urlsplit(inside)
        address = parts._replace(scheme=origin.scheme, netloc=origin.netloc).geturl()
        headers, opener = {"Host": parts.netloc}, DIRECT
    # Without its query, which is the signature.
    shown = link.partition("?")[0]
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 (the API's own link)
    try:
        with opener.open(request, timeout=30) as answer:
            data = answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"{shown} answered {error.code}; s3.publicUrl has to lead to the bucket's server")
    except OSError as error:
        reason = getattr(error, "reason", error)
        sys.exit(f"{shown} cannot be reached: {reason}; see s3.publicUrl and networkPolicies")
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except OSError:
        sys.exit(f"{shown} holds no picture; s3.publicUrl has to lead to the bucket's server")
    print(f"{shown}: {image.format} {image.width}x{image.height}", flush=True)


def run(token):
    wish = {
        "mode": os.environ["PROBE_MODE"],
        "prompt": os.environ["PROBE_PROMPT"],
        "imageBase64": base64.b64encode(picture()).decode(),
        "exportSize": "base",
    }
    job = call("POST", "/api/v1/generate", token, wish)
    end = time.monotonic() + float(os.environ["PROBE_SECONDS"])
    while job["status"] not in ENDED:
        if time.monotonic() > end:
            sys.exit(f"job {job['jobId']} is still {job['status']}")
        time.sleep(POLL_SECONDS)
        job = call("GET", f"/api/v1/jobs/{job['jobId']}", token)
    print(f"job {job['jobId']}: {job['status']}", flush=True)
    if job["status"] != "succeeded":
        sys.exit(json.dumps(job.get("error")))
    for output in job["outputs"]:
        download(output["downloadUrl"])


def main():
    workspace = workspace_id()
    key = admin("key", "create", "--workspace", workspace, "--name", WORKSPACE)
    try:
        run(key["token"])
    finally:
        admin("key", "revoke", "--key", key["keyId"])


main()
