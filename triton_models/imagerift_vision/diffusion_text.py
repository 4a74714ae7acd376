"""Readers of prompts that transformers has only beside torchvision, made of what it has without.

What is on a GPU is not wanted for them: FLUX.2's is asked for text alone, and Qwen's pictures are
prepared by Pillow as well as by torchvision.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, BatchFeature, Qwen2VLImageProcessorPil

IMAGE = "<|image_pad|>"


class QwenPictureReader:
    """Text with pictures in it, as Qwen2.5-VL reads it."""

    def __init__(self, folder: Path) -> None:
        """Read tokenizer and sizes from a folder of a `Qwen2VLProcessor`."""
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.image_processor = Qwen2VLImageProcessorPil.from_pretrained(
            folder, local_files_only=True
        )

    def __call__(
        self,
        text: Sequence[str],
        images: Any,
        *,
        padding: bool,
        return_tensors: str,
    ) -> BatchFeature:
        """Tokens and patches; `images` are those of all texts in turn, or those of each.

        A picture's place in the text becomes as many tokens as it has patches once merged.
        """
        pictures = list(images) if isinstance(images, list | tuple) else [images]
        places = sum(one.count(IMAGE) for one in text)
        seen = self.image_processor(
            images=pictures * (places // len(pictures)), return_tensors=return_tensors
        )
        merged = self.image_processor.merge_size**2
        counts = [int(grid.prod()) // merged for grid in seen["image_grid_thw"]]
        filled = []
        for one in text:
            parts = one.split(IMAGE)
            sizes = [counts.pop(0) for _ in parts[1:]]
            filled.append(
                "".join(part + IMAGE * n for part, n in zip(parts, [*sizes, 0], strict=True))
            )
        words = self.tokenizer(filled, padding=padding, return_tensors=return_tensors)
        return BatchFeature({**words, **seen})


def readers(name: str, weights: Path) -> dict[str, Any]:
    """The parts of a family's pipeline that are made here; by their names in the pipeline."""
    if name == "flux2":
        return {
            "tokenizer": AutoTokenizer.from_pretrained(weights / "tokenizer", local_files_only=True)
        }
    if name in ("qwen-image-edit", "qwen-image-edit-plus"):
        return {"processor": QwenPictureReader(weights / "processor")}
    return {}
