"""A mode of your own: the source printed in two inks. Nothing of ImageRift is imported.

The contract is docs/models.md, "Bring your own model"; any Triton backend may keep it.
"""

import json
import time

import cv2
import numpy as np
import triton_python_backend_utils as pb

# Paper and ink, sRGB. The seed chooses.
INKS = {
    "warm": (((250, 240, 214), (120, 28, 60)), ((255, 226, 196), (58, 30, 110))),
    "cold": (((226, 240, 246), (14, 52, 96)), ((214, 244, 228), (20, 66, 74))),
}


class TritonPythonModel:
    """Duotone prints."""

    def execute(self, requests):
        """Answer each request with IMAGES and INFO."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        image = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        text = pb.get_input_tensor_by_name(request, "PARAMETERS").as_numpy().reshape(-1)[0]
        wanted = json.loads(text)
        info = {
            "preset": wanted["preset"] or "warm",
            "models": [{"name": "duotone", "version": "1"}],
            "omitted": [],
            "error": None,
        }
        pictures = np.zeros((0, 1, 1, 3), np.uint8)
        if info["preset"] not in INKS:
            info["error"] = _error("invalid_request", "duotone has no such preset")
        elif time.time() >= wanted["deadline"]:
            info["error"] = _error("timeout", "the job's deadline has passed")
        else:
            grey = _covering(image, wanted["width"], wanted["height"])
            inks = INKS[info["preset"]]
            pictures = np.stack([_printed(grey, inks[s % len(inks)]) for s in wanted["seeds"]])
        return pb.InferenceResponse(
            output_tensors=[
                pb.Tensor("IMAGES", pictures),
                pb.Tensor("INFO", np.array([json.dumps(info).encode()], dtype=np.object_)),
            ]
        )


def _error(code, message):
    """A message is shown to people: no URL, no prompt."""
    return {"code": code, "message": message, "retryable": False}


def _covering(image, width, height):
    """The source's brightness, 0 to 1, on white, scaled and cropped to the output's size."""
    share = image[..., 3:].astype(np.float32) / 255
    flat = (image[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    scale = max(width / flat.shape[1], height / flat.shape[0])
    size = (max(width, round(flat.shape[1] * scale)), max(height, round(flat.shape[0] * scale)))
    large = cv2.resize(flat, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    part = large[top : top + height, left : left + width]
    return cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def _printed(grey, inks):
    """[h, w, 3]: paper where the source is bright, ink where it is dark."""
    paper, ink = (np.array(colour, np.float32) for colour in inks)
    share = grey[..., None]
    return (ink * (1 - share) + paper * share + 0.5).astype(np.uint8)
