"""What the whole pool holds, with every model loaded and at work at once."""

import io
from concurrent.futures import ThreadPoolExecutor, wait

from generate_cases import request_for
from odd_images import READABLE, portrait, scene
from origin import Origin
from PIL import Image
from process_memory import memory_of
from triton_server import Triton

MOST_MB = 4096
SAMPLE_SECONDS = 0.2
MODES = {"style": "studio", "avatar": "cartoon3d", "enhance": None, "cutout": None, "scene": "neon"}


def test_the_pool_stays_under_four_gigabytes_while_every_mode_makes_4k(
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
            held.append(sum(process.held for process in memory_of(triton.pid)))
    for mode, job in zip(MODES, running, strict=True):
        assert job.result()["error"] is None
        # The source's own proportions, 3:2.
        assert Image.open(io.BytesIO(origin.outputs[mode][1])).size == (4096, 2731)
    processes = memory_of(triton.pid)
    after = sum(process.held for process in processes)
    print(f"most while at work {max(held):.0f} MB, after it {after:.0f} MB")
    assert {"tritonserver", "generate", "control", *MODES} <= {one.name for one in processes}
    assert max(*held, after) < MOST_MB
