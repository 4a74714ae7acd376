"""Old and new specs for the rules (CEL) of GenerationJob, for an evaluator and for servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IMMUTABLE = "spec is immutable but for cancel"
FINAL = "cancel cannot be taken back"

SPEC: dict[str, Any] = {
    "mode": "style",
    "workspace": "ws_a",
    "source": {"key": "workspaces/ws_a/jobs/x/source"},
    "mask": {"key": "workspaces/ws_a/jobs/x/mask"},
    "prompt": "rain",
    "preset": "noir",
    "pool": "default",
    "exportSize": "base",
    "outputAspect": "source",
    "outputFormat": "png",
    "onUnclearSubject": "grade",
    "cutout": {"background": "#ffffff"},
    "references": [{"key": "workspaces/ws_a/jobs/x/reference-0"}],
    "negativePrompt": "text",
    "keepSubject": True,
    "outputs": [{"aspect": "1:1", "size": "base", "format": "png"}],
    "variations": 1,
    "seed": 7,
    "execution": "Pool",
    "activeDeadlineSeconds": 3600,
    "backoffLimit": 3,
    "ttlSecondsAfterFinished": 300,
}
# Another value of each field.
CHANGES: dict[str, Any] = {
    "mode": "enhance",
    "workspace": "ws_b",
    "source": {"key": "workspaces/ws_a/jobs/y/source"},
    "mask": {"key": "workspaces/ws_a/jobs/y/mask"},
    "prompt": "sun",
    "preset": "neon",
    "pool": "other",
    "exportSize": "2k",
    "outputAspect": "1:1",
    "outputFormat": "webp",
    "onUnclearSubject": "fail",
    "cutout": {"background": "#ffffff", "shadow": "drop"},
    "references": [{"key": "workspaces/ws_a/jobs/y/reference-0"}],
    "negativePrompt": "hands",
    "keepSubject": False,
    "outputs": [{"aspect": "1:1", "size": "base", "format": "jpeg"}],
    "variations": 2,
    "seed": 8,
    "execution": "Pod",
    "activeDeadlineSeconds": 60,
    "backoffLimit": 0,
    "ttlSecondsAfterFinished": 0,
}
OPTIONAL = (
    "prompt", "preset", "pool", "mask", "cutout", "references", "negativePrompt",
    "keepSubject", "outputs",
)  # fmt: skip
# Outputs stand in place of these.
ONE_SHAPE = ("exportSize", "outputAspect", "outputFormat")
BARE = {field: value for field, value in SPEC.items() if field not in OPTIONAL}


@dataclass(frozen=True)
class Case:
    """An update from `old` to `new`; `refusal` is the message that it must meet, None for none."""

    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    refusal: str | None


def _without(field: str) -> dict[str, Any]:
    return {key: value for key, value in SPEC.items() if key != field}


def _having(field: str) -> dict[str, Any]:
    """A spec in which that field may have another value."""
    return _without("outputs") if field in ONE_SHAPE else SPEC


CASES = [
    Case("nothing changes", SPEC, SPEC, None),
    Case("nothing optional, nothing changes", BARE, BARE, None),
    Case("cancel is asked", SPEC, SPEC | {"cancel": True}, None),
    Case("cancel stays", SPEC | {"cancel": True}, SPEC | {"cancel": True}, None),
    Case("cancel is taken back", SPEC | {"cancel": True}, SPEC | {"cancel": False}, FINAL),
    *(
        Case(f"{field} changes", _having(field), _having(field) | {field: other}, IMMUTABLE)
        for field, other in CHANGES.items()
    ),
    *(
        Case(
            f"{field} changes with cancel",
            _having(field),
            _having(field) | {field: other, "cancel": True},
            IMMUTABLE,
        )
        for field, other in CHANGES.items()
    ),
    *(Case(f"{field} goes", SPEC, _without(field), IMMUTABLE) for field in OPTIONAL),
    *(Case(f"{field} comes", _without(field), SPEC, IMMUTABLE) for field in OPTIONAL),
]

IN_PLACE = "outputs stand in place of exportSize, outputAspect and outputFormat"
DIFFER = "outputs must differ"
TOO_MANY = "variations in all outputs must be 24 pictures at most"
ASPECTS = ("source", "1:1", "4:5", "3:4", "2:3", "16:9", "9:16", "3:2")


@dataclass(frozen=True)
class NewCase:
    """A new job's spec; `refusal` is the message that it must meet, None for none."""

    name: str
    spec: dict[str, Any]
    refusal: str | None


def _outputs(count: int, **fields: Any) -> dict[str, Any]:
    shapes = [{"aspect": a, "size": "base", "format": "png"} for a in ASPECTS[:count]]
    return _without("outputs") | {"outputs": shapes} | fields


NEW_CASES = [
    NewCase("one output", _outputs(1), None),
    NewCase("as many pictures as there may be", _outputs(8, variations=3), None),
    NewCase("a picture more", _outputs(5, variations=5), TOO_MANY),
    NewCase("outputs and a size", _outputs(2, exportSize="2k"), IN_PLACE),
    NewCase("outputs and an aspect", _outputs(2, outputAspect="1:1"), IN_PLACE),
    NewCase("outputs and a format", _outputs(2, outputFormat="webp"), IN_PLACE),
    NewCase("the same output twice", SPEC | {"outputs": [*SPEC["outputs"]] * 2}, DIFFER),
]

# Rules of TritonPool look at one spec alone.
POOL: dict[str, Any] = {"modes": ["style"], "slotsPerReplica": 1}
TEMPLATE: dict[str, Any] = {
    "image": "triton",
    "minReplicas": 1,
    "maxReplicas": 2,
    "maxSurge": 1,
    "maxUnavailable": 0,
}
ONE_KIND = "give exactly one of endpoint and template"
BOUNDS = "minReplicas must not exceed maxReplicas"
PROGRESS = "maxSurge and maxUnavailable must not both be 0"
WORKFLOW = "give a workflow with the kind comfyui, and with it alone"
ADDRESS = "http://192.0.2.1:8000"


@dataclass(frozen=True)
class PoolCase:
    """A pool's spec; `refusal` is the message that it must meet, None for none."""

    name: str
    spec: dict[str, Any]
    refusal: str | None


def _template(**fields: Any) -> dict[str, Any]:
    return POOL | {"template": TEMPLATE | fields}


ENGINE = {"kind": "openai-images", "origin": "http://engine:8000"}
FLOW = {"workflow": {"name": "portrait", "key": "workflow.json"}}

POOL_CASES = [
    PoolCase("an endpoint", POOL | {"endpoint": ADDRESS}, None),
    PoolCase("a template", _template(), None),
    PoolCase("both", _template() | {"endpoint": ADDRESS}, ONE_KIND),
    PoolCase("neither", POOL, ONE_KIND),
    PoolCase("as few as many", _template(minReplicas=2), None),
    PoolCase("more at least than at most", _template(minReplicas=3), BOUNDS),
    PoolCase("updates by what is missing", _template(maxSurge=0, maxUnavailable=1), None),
    PoolCase("updates that cannot go on", _template(maxSurge=0), PROGRESS),
    PoolCase("an engine", _template(engine=ENGINE), None),
    PoolCase(
        "an engine with a workflow of another kind", _template(engine=ENGINE | FLOW), WORKFLOW
    ),
    PoolCase("comfyui", _template(engine=ENGINE | FLOW | {"kind": "comfyui"}), None),
    PoolCase("comfyui for nothing", _template(engine=ENGINE | {"kind": "comfyui"}), WORKFLOW),
]


@dataclass(frozen=True)
class WeightsCase:
    """Old and new specs of weights; `refusal` is the message that is to be met, None for none."""

    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    refusal: str | None


@dataclass(frozen=True)
class TenantCase:
    """An update of a Workspace or an ApiKey, as `Case`."""

    kind: str
    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    refusal: str | None
    object_name: str = "gold"


STAYS = "source and execution stay as they are: make another object"
STORED = "give storage for what is downloaded (hf, s3, https), and for nothing else"
SUMMED = "give checksums: an https source has the files that are named there"
HUB: dict[str, Any] = {
    "source": "hf://acme/sdxl@main",
    "acceptLicence": "MIT",
    "storage": {"size": "1Gi"},
    "execution": "Pool",
}
_BARE = {name: value for name, value in HUB.items() if name != "storage"}
_HOST = HUB | {"source": "https://host/a.onnx"}
_CLAIM = _BARE | {"source": "pvc://disk/w"}
_IMAGE = _BARE | {"source": "oci://registry/w@sha256:0"}


def _weights(name: str, spec: dict[str, Any], refusal: str | None = None) -> WeightsCase:
    return WeightsCase(name, spec, spec, refusal)


WEIGHTS_CASES = [
    _weights("of the hub", HUB),
    _weights("of a host", _HOST | {"checksums": {"a.onnx": "0"}}),
    _weights("of a host without checksums", _HOST, SUMMED),
    _weights("of a claim", _CLAIM),
    _weights("of an image", _IMAGE),
    _weights("of the hub without a volume", _BARE, STORED),
    _weights("of a claim with a volume", _CLAIM | {"storage": {"size": "1Gi"}}, STORED),
    WeightsCase("another licence", HUB, HUB | {"acceptLicence": "Apache-2.0"}, None),
    WeightsCase("another source", HUB, HUB | {"source": "hf://acme/sdxl@v2"}, STAYS),
    WeightsCase("for others", HUB, HUB | {"execution": "Pod"}, STAYS),
]

_WORKSPACE = {"name": "Acme", "plan": "pro"}
_TAKEN_OVER = _WORKSPACE | {"workspaceId": "ws_a"}
SAME_WORKSPACE = "workspaceId is immutable"
_KEY = {"workspaceRef": {"name": "acme"}, "scopes": ["jobs:read"], "secretName": "token"}
SAME_KEY = "spec is immutable: make another ApiKey"
_MOVED = {"name": "B", "plan": "free"}
SAME_HOOK = "spec is immutable: make another WebhookEndpoint"
NAMED = "the name must begin with a letter and hold lower-case letters, digits and hyphens alone"
SHORT = "the name must have 32 characters at most"
PRESETS = "a mode whose jobs have to name a preset needs presets"
_HOOK: dict[str, Any] = {
    "workspaceRef": {"name": "a"},
    "url": "https://a.example/",
    "events": ["job.failed"],
}
PLAN: dict[str, Any] = {
    "apiAccess": True,
    "requestsPerMinute": 30,
    "unitsPerMonth": 1000,
    "maxExport": "2k",
    "band": 1,
    "quotaScope": "team",
    "retentionDays": 30,
}
MODE: dict[str, Any] = {
    "model": "generate",
    "promptRequired": True,
    "presetRequired": False,
    "presets": ["studio"],
    "exportSizes": ["base"],
    "maxVariations": 4,
    "attemptSeconds": 60,
}
TENANT_CASES = [
    TenantCase("Workspace", "name and plan change", _WORKSPACE, _MOVED, None),
    TenantCase("Workspace", "one taken over changes", _TAKEN_OVER, _TAKEN_OVER | _MOVED, None),
    TenantCase("Workspace", "an id comes", _WORKSPACE, _TAKEN_OVER, SAME_WORKSPACE),
    TenantCase("Workspace", "an id goes", _TAKEN_OVER, _WORKSPACE, SAME_WORKSPACE),
    TenantCase(
        "Workspace",
        "an id changes",
        _TAKEN_OVER,
        _TAKEN_OVER | {"workspaceId": "ws_b"},
        SAME_WORKSPACE,
    ),
    TenantCase("ApiKey", "nothing changes", _KEY, _KEY, None),
    TenantCase("ApiKey", "scopes grow", _KEY, _KEY | {"scopes": ["jobs:write"]}, SAME_KEY),
    TenantCase("ApiKey", "a name comes", _KEY, _KEY | {"name": "ci"}, SAME_KEY),
    TenantCase(
        "ApiKey", "another workspace", _KEY, _KEY | {"workspaceRef": {"name": "b"}}, SAME_KEY
    ),
    TenantCase("WebhookEndpoint", "nothing changes", _HOOK, _HOOK, None),
    TenantCase(
        "WebhookEndpoint",
        "another address",
        _HOOK,
        _HOOK | {"url": "https://b.example/"},
        SAME_HOOK,
    ),
    TenantCase("WebhookEndpoint", "fewer events", _HOOK, _HOOK | {"events": []}, SAME_HOOK),
    TenantCase("Plan", "all may change", PLAN, PLAN | {"unitsPerMonth": 9}, None),
    TenantCase("Plan", "no word", PLAN, PLAN, NAMED, object_name="gold.2"),
    TenantCase("Plan", "a digit first", PLAN, PLAN, NAMED, object_name="2gold"),
    TenantCase("Plan", "a long name", PLAN, PLAN, SHORT, object_name="g" * 33),
    TenantCase("Mode", "all may change", MODE, MODE | {"model": "other"}, None),
    TenantCase("Mode", "presets are there", MODE, MODE | {"presetRequired": True}, None),
    TenantCase("Mode", "none are", MODE, MODE | {"presetRequired": True, "presets": []}, PRESETS),
    TenantCase("Mode", "no word", MODE, MODE, NAMED, object_name="my.mode"),
    TenantCase("Mode", "a long name", MODE, MODE, SHORT, object_name="m" * 33),
]
