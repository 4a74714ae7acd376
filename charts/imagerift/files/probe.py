"""`helm test`: makes a key, submits a picture with it, waits for the job's end, revokes the key."""

import base64
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

from PIL import Image, ImageDraw

WORKSPACE = "helm-test"
ENDED = ("succeeded", "failed", "canceled")
POLL_SECONDS = 1.0


def admin(*arguments):
    done = subprocess.run(
        ["imagerift", "admin", *arguments],
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
        os.environ["PROBE_API_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} answered {error.code}: {error.read().decode()}")


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


def main():
    workspace = workspace_id()
    key = admin("key", "create", "--workspace", workspace, "--name", WORKSPACE)
    try:
        run(key["token"])
    finally:
        admin("key", "revoke", "--key", key["keyId"])


main()
