"""One real Triton for the tests of this folder, with the product's repository and a broken mode."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
POOL = "cpu-small"
PRODUCT = ROOT / "triton_models" / "repository"
REPOSITORIES = (
    PRODUCT,
    ROOT / "bench" / "models",
    ROOT / "docs" / "examples",
    Path(__file__).resolve().parent / "models",
)
# With PyTorch that takes minutes where others compute as well.
START_SECONDS = 400
# What a team adds to the shipped modes: modes of its own, and one preset of a shipped mode.
MODES = {
    "duotone": "duotone",
    "style/warm": "duotone",
    "careless": "careless",
    "broken": "broken",
    "absent": "absent",
}


class Triton:
    """A running server, spoken to over plain KServe HTTP."""

    def __init__(self, url: str, pid: int = 0, token: str = "") -> None:
        self.url = url
        self.pid = pid
        self.token = token

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a REQUEST with its RESULT."""
        return self.infer("generate", "REQUEST", request)

    def cancel(self, attempt_id: str) -> None:
        """Flag an attempt."""
        assert self.infer("control", "COMMAND", {"cancel": attempt_id}) == {"flagged": True}

    def infer(self, model: str, tensor: str, document: Any) -> dict[str, Any]:
        """Call a model that takes and gives one JSON text."""
        body = {
            "inputs": [
                {
                    "name": tensor,
                    "shape": [1],
                    "datatype": "BYTES",
                    "data": [json.dumps(document)],
                }
            ]
        }
        call = urllib.request.Request(  # noqa: S310 - a loopback URL of our own
            f"{self.url}/v2/models/{model}/infer",
            json.dumps(body).encode(),
            {
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                "Authorization": f"Bearer {self.token}",
            },
        )
        with urllib.request.urlopen(call, timeout=600) as response:  # noqa: S310
            answer = json.load(response)
        result: dict[str, Any] = json.loads(answer["outputs"][0]["data"][0])
        return result

    def compute_seconds(self) -> dict[str, float]:
        """Seconds that each model's code has run so far, by Triton's own statistics."""
        with urllib.request.urlopen(f"{self.url}/v2/models/stats", timeout=10) as response:  # noqa: S310
            document = json.load(response)
        return {
            model["name"]: model["inference_stats"]["compute_infer"].get("ns", 0) / 1e9
            for model in document["model_stats"]
        }

    def is_ready(self) -> bool:
        """Whether every model is loaded."""
        try:
            with urllib.request.urlopen(f"{self.url}/v2/health/ready", timeout=2) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


# What the models' Python says of itself; the libraries are those that it was started with.
QUESTION = """
import json, os, sys, sysconfig
print(json.dumps({
    "site": sysconfig.get_path("purelib"),
    "version": sysconfig.get_python_version(),
    "prefix": sys.prefix,
    "base": sys.base_prefix,
    "libraries": os.environ.get("LD_LIBRARY_PATH", ""),
}))
"""


@contextmanager
def run(
    python: Path,
    origin: str,
    folder: Path,
    repositories: Sequence[Path] = REPOSITORIES,
    *,
    behind_front: bool = False,
    pool: str = POOL,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Triton]:
    """Start Triton from the models' environment that `python` belongs to; stop it at the end.

    The product's own repository is laid out for the pool first; `variables` are more that its
    models read.
    """
    laid_out = folder / "models"
    pool_tool = ROOT / "triton_models" / "tools" / "pool.py"
    subprocess.check_output([sys.executable, pool_tool, pool, "--into", laid_out])
    repositories = [laid_out if path == PRODUCT else path for path in repositories]
    told = json.loads(subprocess.check_output([python, "-c", QUESTION], text=True))
    site, version = Path(told["site"]), told["version"]
    server = site / "pytriton" / "tritonserver"
    backend = folder / "backends" / "python"
    shutil.copytree(server / "backends" / "python", backend)
    stub = shutil.copy(
        server / "python_backend_stubs" / version / "triton_python_backend_stub", backend
    )
    Path(stub).chmod(0o755)
    binary = folder / "tritonserver"
    shutil.copy(server / "bin" / "tritonserver", binary)
    binary.chmod(0o755)
    port = _free_port()
    libraries = f"{site}/nvidia_pytriton.libs:{told['libraries']}:{told['base']}/lib"
    environment = {
        "PATH": f"{told['prefix']}/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": libraries,
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "IMAGERIFT_S3_ORIGIN": origin,
        "IMAGERIFT_CONTROL_DIR": str(folder / "control"),
        "IMAGERIFT_MODE_MODELS": json.dumps(MODES),
        "TMPDIR": str(folder),
        **(variables or {}),
    }
    command = [
        str(binary),
        *(f"--model-repository={path}" for path in repositories),
        f"--backend-directory={folder / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        "--allow-grpc=false",
        f"--allow-metrics={str(behind_front).lower()}",
        "--exit-timeout-secs=2",
    ]
    token = secrets.token_hex(32)
    if behind_front:
        command = [str(python), "-m", "imagerift_front", *command]
        (folder / "token").write_text(token)
        environment |= {
            "PYTHONPATH": f"{ROOT / 'triton_models'}:{site}",
            "IMAGERIFT_FRONT_HOST": "127.0.0.1",
            "IMAGERIFT_FRONT_PORT": str(port),
            "IMAGERIFT_FRONT_METRICS_PORT": str(_free_port()),
            "IMAGERIFT_FRONT_TOKEN_FILE": str(folder / "token"),
            "IMAGERIFT_FRONT_TERMINATION_LOG": str(folder / "termination-log"),
        }
        # As the kubelet puts it there.
        (folder / "termination-log").touch()
    log = (folder / "triton.log").open("wb")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        triton = Triton(f"http://127.0.0.1:{port}", process.pid, token)
        _wait_until_ready(triton, process, folder / "triton.log")
        yield triton
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_until_ready(triton: Triton, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_SECONDS * 5):
        if triton.is_ready():
            return
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError(f"Triton did not become ready:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
