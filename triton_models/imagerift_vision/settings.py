"""What a model process reads from its environment, once."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODE_MODELS = {
    "style": "style",
    "avatar": "avatar",
    "enhance": "enhance",
    "cutout": "cutout",
    "scene": "scene",
}
# The model whose weights a pool's file names.
DIFFUSION = "diffusion"
# The model by which an engine outside draws.
REMOTE = "remote"
# How many pictures `diffusion` draws at once where the pool's file does not say.
DIFFUSION_BATCH = 4
# What these models draw of a seed is another picture in each aspect.
ANOTHER_IN_EACH_ASPECT = frozenset({DIFFUSION, REMOTE})


@dataclass(frozen=True)
class Settings:
    """Settings of one model process."""

    s3_origin: str | None
    """The only `scheme://host:port` that may be fetched from and put to; None refuses all."""
    control_dir: Path
    """Folder of the cancel flags, shared by all model processes of one server."""
    threads: int
    """Intra-op threads of one model instance."""
    mode_models: Mapping[str, str]
    """The Triton model behind each mode, or behind one preset of a mode (`mode/preset`)."""
    moderation_model: str | None = None
    """The Triton model that judges what comes in and goes out; None lets everything through."""
    background_model: str | None = None
    """The Triton model that draws the backgrounds of `scene`; None: they are the studio's sets."""
    at_once: Mapping[str, int] = field(default_factory=dict)
    """How many pictures of a job those models draw at once that take long for each."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the `IMAGERIFT_*` variables.

        Raises ValueError when IMAGERIFT_THREADS is not a positive number or
        IMAGERIFT_MODE_MODELS is not an object of texts and nulls. What it names comes on top of
        the shipped modes; null takes a mode away.
        """
        threads = int(environment.get("IMAGERIFT_THREADS") or "1")
        if threads < 1:
            raise ValueError("IMAGERIFT_THREADS must be at least 1")
        named = json.loads(environment.get("IMAGERIFT_MODE_MODELS") or "{}")
        if not isinstance(named, dict) or not all(
            model is None or isinstance(model, str) for model in named.values()
        ):
            raise ValueError("IMAGERIFT_MODE_MODELS must be an object of texts and nulls")
        modes = {mode: model for mode, model in (MODE_MODELS | named).items() if model}
        backgrounds = environment.get("IMAGERIFT_BACKGROUND_MODEL") or None
        fallback = Path(tempfile.gettempdir()) / f"imagerift-control-{os.getuid()}"
        return cls(
            s3_origin=environment.get("IMAGERIFT_S3_ORIGIN") or None,
            control_dir=Path(environment.get("IMAGERIFT_CONTROL_DIR") or fallback),
            threads=threads,
            mode_models=modes,
            moderation_model=environment.get("IMAGERIFT_MODERATION_MODEL") or None,
            background_model=backgrounds,
            at_once={
                DIFFUSION: _batch(environment, "IMAGERIFT_DIFFUSION", DIFFUSION_BATCH),
                REMOTE: _batch(environment, "IMAGERIFT_ENGINE", 1),
                **({} if backgrounds is None else {MODE_MODELS["scene"]: 1}),
            },
        )


def _batch(environment: Mapping[str, str], name: str, default: int) -> int:
    """`batch` of a model's own settings, which that model itself refuses where they are wrong."""
    try:
        return max(1, int(json.loads(environment.get(name) or "{}").get("batch", default)))
    except (AttributeError, TypeError, ValueError):
        return default
