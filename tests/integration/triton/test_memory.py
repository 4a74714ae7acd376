"""What the whole pool holds, with every model loaded and at work at once."""

import io
from concurrent.futures import ThreadPoolExecutor, wait

from generate_cases import request_for
from odd_images import READABLE, portrait, scene
from origin import Origin
from PIL import Image
from process_memory import memory_of
from triton_server import PRODUCT, Triton

MOST_MB = 2048
SAMPLE_SECONDS = 0.2
# "?" is what decodes a picture in a process of its own.
SHIPPED = {"tritonserver", "?", *(model.name for model in PRODUCT.iterdir())}
MODES = {"style": "studio", "avatar": "cartoon3d", "enhance": None, "cutout": None, "scene": "neon"}


def test_the_pool_stays_under_two_gigabytes_while_every_mode_makes_4k(
    triton: Triton, origin: Origin
) -> None:
    requests = []
    for mode, preset in MODES.items():
        data = READABLE["jpeg"](portrait() if mode == "avatar" else scene())
        request = request_for(
            origin, mode=mode, preset=preset, exportSize="4k", outputFormat="jpeg"
        )
        request["source"] = {"url": origin.give(mode, data)}
        request["targets"][0]["url"] = origin.target(mode)
        requests.append(request)
    held = []
    with ThreadPoolExecutor(len(requests)) as pool:
        running = [pool.submit(triton.generate, request) for request in requests]
        while wait(running, SAMPLE_SECONDS).not_done:
            held.append(_of_the_product(triton.pid))
    for mode, job in zip(MODES, running, strict=True):
        assert job.result()["error"] is None
        # The source's own proportions, 3:2.
        assert Image.open(io.BytesIO(origin.outputs[mode][1])).size == (4096, 2731)
    processes = memory_of(triton.pid)
    after = _of_the_product(triton.pid)
    print(f"most while at work {max(held):.0f} MB, after it {after:.0f} MB")
    assert {"tritonserver", "generate", "control", *MODES} <= {one.name for one in processes}
    assert max(*held, after) < MOST_MB


def _of_the_product(server: int) -> float:
    """MB of the server and its shipped models; those of the tests are none of the pool."""
    return sum(one.held for one in memory_of(server) if one.name in SHIPPED)
