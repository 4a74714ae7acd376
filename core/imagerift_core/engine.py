"""An engine outside that a pool's model servers, or job pods, have their pictures drawn by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imagerift_core.manifest_part import Name, Part, Text


class EngineWorkflow(Part):
    """A ComfyUI workflow with named inputs (docs/engines.md), in a ConfigMap."""

    name: Name = Field(description="ConfigMap in the namespace of its pods.")
    key: Name = Field("workflow.json", description="Its key.")


class EngineSecret(Part):
    """The token that the engine is called with, in a Secret."""

    name: Name = Field(description="Secret that the administrator lets pools use.")
    key: Name = Field("token", description="Its key.")


class Engine(Part):
    """A server of others' that draws; the model `remote` calls it, and nothing else."""

    kind: Literal["openai-images", "comfyui"] = Field(
        description="What it speaks: OpenAI's images API, as SGLang, vLLM-Omni and NIM do, or "
        "ComfyUI's own."
    )
    origin: str = Field(
        pattern=r"^https?://[^/?#@\s]+$",
        max_length=512,
        description="Its address, such as https://engine.gpu.svc:8000, and nothing more; on a "
        "host that the administrator lets pools use.",
    )
    model: Text | None = Field(
        None, description="Name that it is asked for its model by; without it, its own choice."
    )
    workflow: EngineWorkflow | None = Field(
        None, description="What ComfyUI is to run; for that kind alone."
    )
    secret: EngineSecret | None = Field(
        None, description="Its token, sent as `Authorization: Bearer`."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Engine:
        if (self.kind == "comfyui") != (self.workflow is not None):
            raise ValueError("give a workflow with the kind comfyui, and with it alone")
        return self
