"""Diffusers' own classes with tiny random weights on the CPU: what no server is needed to see.

Each family's tasks, seeds, masks, stops and LoRAs are tried out in tests/integration/triton.
They need PyTorch, which the models' environment has not: IMAGERIFT_DIFFUSION_SITE names the
packages, as it does for a pool's Triton.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from imagerift_vision.diffusion_controlnet import ControlNet
from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.diffusion_families.catalogue import FAMILIES
from imagerift_vision.diffusion_options import Options
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe

SITE = os.environ.get("IMAGERIFT_DIFFUSION_SITE", "")
pytestmark = [
    pytest.mark.skipif(not SITE, reason="IMAGERIFT_DIFFUSION_SITE names no PyTorch"),
    # The libraries warn of each other.
    pytest.mark.filterwarnings("ignore"),
]
TOOLS = Path(__file__).resolve().parents[3] / "triton_models/tools"
WIDTH, HEIGHT, STEPS = 80, 64, 4
# Rounding differs between a picture alone and one among others.
ROUNDING = 3
JOINED = [
    (family.name, task)
    for family in FAMILIES
    for task in family.tasks
    if family.ways[task].repeated
]
HELD = [
    (family.name, task)
    for family in FAMILIES
    for task in family.tasks
    if family.ways[task].controlled
]
FEW = Recipe(steps=STEPS, strength=0.5, edge=64)


@pytest.fixture(scope="module")
def tools() -> Iterator[ModuleType]:
    """The builders of tiny weights."""
    sys.path += [SITE, str(TOOLS)]
    yield import_module("tiny_families")
    sys.path.remove(str(TOOLS))


@pytest.fixture(scope="module")
def small_references(tools: ModuleType) -> Iterator[None]:
    """Qwen's editors bring each picture to a megapixel, which is most of a minute for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("edit", "edit_inpaint", "edit_plus"):
            module = import_module(f"diffusers.pipelines.qwenimage.pipeline_qwenimage_{name}")
            whole = module.calculate_dimensions

            def fewer(area: int, ratio: float, whole: Any = whole) -> Any:
                return whole(area // 256 + 32 * 32, ratio)

            patch.setattr(module, "calculate_dimensions", fewer)
        yield


@pytest.fixture(scope="module")
def weights(tools: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A family's folder, made once."""
    made: dict[str, Path] = {}

    def of(family: str) -> Path:
        if family not in made:
            made[family] = tools.save(family, tmp_path_factory.mktemp("weights") / family)
        return made[family]

    return of


@pytest.fixture(scope="module")
def load(weights: Callable[[str], Path], small_references: None) -> Callable[..., Any]:
    """A network on the CPU; a whole DiffusionSettings' members may be given."""

    def loaded(family: str | Path, base: Recipe = FEW, **members: Any) -> Any:
        folder = weights(family) if isinstance(family, str) else family
        settings = DiffusionSettings(
            weights=folder,
            base=base,
            presets=members.pop("presets", {}),
            face_presets=frozenset(),
            batch=4,
            options=Options(**members),
        )
        return import_module("imagerift_vision.diffusion_network").DiffusersNetwork(
            settings, "cpu", 1
        )

    return loaded


@pytest.fixture(scope="module")
def networks(load: Callable[..., Any]) -> Callable[[str], Any]:
    """The families', each loaded once for all tests."""
    return functools.cache(load)


@pytest.fixture
def network(networks: Callable[[str], Any], request: pytest.FixtureRequest) -> Any:
    """The one that the test names."""
    return networks(request.param)


def photo(seed: int = 0) -> np.ndarray:
    """Noise: the weights see no more in a photo."""
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, 3))
    return (noise * 255).astype(np.uint8)


def shown_with(*others: np.ndarray) -> Drawing:
    return replace(drawing("edit"), references=others)


def drawing(task: str, prompt: str = "a mug", picture: np.ndarray | None = None) -> Drawing:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[16:40, 8:50] = 255
    picture = photo() if picture is None else picture
    return Drawing(
        task,
        prompt,
        WIDTH,
        HEIGHT,
        None if task == "generate" else picture,
        mask if task == "inpaint" else None,
    )


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


class Hears:
    """A guard that stops nothing."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def check(self) -> None:
        """Goes on."""

    def tell(self, *, step: int, steps: int) -> None:
        self.told.append((step, steps))


@pytest.mark.parametrize(
    "network", ["flux2", "flux2-klein", "flux-kontext", "qwen-image-edit-plus"], indirect=True
)
def test_more_pictures_are_looked_at_as_far_as_the_weights_do(network: Any) -> None:
    recipe = Recipe(steps=STEPS, edge=64)
    most = network._weights.family.ways["edit"].most
    alone, beside, crowded = (
        network.draw(one, recipe, [7], Hears())[0]
        for one in (
            drawing("edit"),
            shown_with(photo(5)),
            shown_with(*(photo(n) for n in range(5, 5 + most))),
        )
    )
    assert np.array_equal(alone, beside) == (most == 1)
    assert isinstance(crowded, np.ndarray)


@pytest.mark.parametrize(("network", "task"), JOINED, indirect=["network"])
def test_pictures_of_several_jobs_drawn_at_once_are_those_drawn_alone(
    network: Any, task: str
) -> None:
    recipe = Recipe(steps=STEPS, strength=0.5, edge=64, task=task)
    asked = [
        drawing(task, "a mug"),
        drawing(task, "zzzz qqq 8888 a lamp of brass", picture=photo(1)),
    ]
    together = network.draw_all(asked, recipe, [7, 7], Hears())
    for one, joined in zip(asked, together, strict=True):
        (alone,) = network.draw(one, recipe, [7], Hears())
        assert apart(alone, joined) <= ROUNDING
    assert apart(together[0], together[1]) > ROUNDING


@pytest.fixture(scope="module")
def held(
    load: Callable[..., Any], tools: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Any, ControlNet]]:
    """A family's network with a ControlNet, each loaded once."""

    @functools.cache
    def loaded(family: str) -> tuple[Any, ControlNet]:
        parts = tools.FAMILIES[family]().components
        folder = tmp_path_factory.mktemp("controlnets") / family
        denoiser = parts.get("unet") or parts["transformer"]
        net = ControlNet(tools.save_controlnet(family, denoiser, folder))
        preset = Recipe(task="generate", controlnet=net)
        return load(family, presets={"held": preset}), net

    return loaded


@pytest.mark.parametrize(("family", "task"), HELD)
def test_a_controlnet_holds_a_drawing_to_what_it_sees(
    held: Callable[[str], tuple[Any, ControlNet]], family: str, task: str
) -> None:
    network, net = held(family)
    free = replace(FEW, task=task)
    bound = replace(free, controlnet=net)

    left = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    left[:, : WIDTH // 2] = 255
    sees = [replace(drawing(task), control=picture) for picture in (left, 255 - left)]

    def drawn(recipe: Recipe, which: int) -> np.ndarray:
        (picture,) = network.draw(sees[which], recipe, [7], Hears())
        return np.asarray(picture)

    plain, one, other = drawn(free, 0), drawn(bound, 0), drawn(bound, 1)
    assert apart(plain, one) > 0
    assert np.array_equal(drawn(bound, 0), one)
    loose = replace(bound, controlnet=replace(net, scale=0.0))
    assert np.array_equal(drawn(loose, 0), drawn(loose, 1))
    assert apart(one, other) > 0
    assert apart(one, drawn(loose, 0)) > 0
    assert np.array_equal(drawn(free, 0), plain)
    names = [one.name for one in network.versions(bound)]
    way = network._weights.family.ways[task]
    assert names[1:] == [f"controlnet {family}", f"diffusers {way.controlled}"]

    if way.repeated:
        both = network.draw_all(sees, bound, [7, 7], Hears())
        assert apart(one, both[0]) <= ROUNDING
        assert apart(other, both[1]) <= ROUNDING
    else:
        (again, another) = network.draw(sees[0], bound, [7, 8], Hears())
        assert apart(one, again) <= ROUNDING
        assert apart(again, another) > ROUNDING


@pytest.mark.parametrize("network", ["stable-diffusion", "flux"], indirect=True)
def test_each_step_is_told_of_those_that_are_taken(network: Any) -> None:
    for strength, taken in ((1.0, STEPS), (0.5, STEPS // 2)):
        heard = Hears()
        recipe = Recipe(steps=STEPS, strength=strength, edge=64, task="img2img")
        network.draw(drawing("img2img"), recipe, [7, 8], heard)
        assert heard.told[0] == (0, STEPS)
        assert heard.told[1:] == [(step, taken) for step in range(1, taken + 1)]


def test_fp8_holds_the_denoiser_in_eight_bits(load: Callable[..., Any]) -> None:
    torch = import_module("torch")
    blocks = load("flux", quantization="fp8")._last.transformer.transformer_blocks
    assert torch.float8_e4m3fn in {parameter.dtype for parameter in blocks.parameters()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantization": "nf4"}, "nf4 wants bitsandbytes"),
        ({"quantization": "int8"}, "int8 wants bitsandbytes"),
        ({"offload": "model"}, "model wants a GPU"),
        ({"attention": "telepathy"}, "telepathy"),
    ],
)
def test_what_cannot_be_had_is_refused_before_it_is_ready(
    load: Callable[..., Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        load("stable-diffusion", **options)


def test_a_task_that_the_weights_have_not_is_refused_before_they_are_loaded(
    load: Callable[..., Any],
) -> None:
    with pytest.raises(ValueError, match="stable-diffusion has no edit: img2img, inpaint"):
        load("stable-diffusion", presets={"wet": Recipe(task="edit")})


def test_a_gpu_that_is_too_full_is_refused(
    tools: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, torch = import_module("imagerift_vision.diffusion_loading"), import_module("torch")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (15 << 30, 24 << 30))
    loading.check_memory(Options(vram_gib=15), "cuda:0")
    with pytest.raises(RuntimeError, match=r"15\.0 GiB free, and these weights want 16"):
        loading.check_memory(Options(vram_gib=16), "cuda:0")


def test_a_gpu_computes_in_what_its_family_is_right_in(
    tools: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, torch = import_module("imagerift_vision.diffusion_loading"), import_module("torch")
    for family in FAMILIES:
        weights = SimpleNamespace(family=family)
        half = torch.float16 if family.denoiser == "unet" else torch.bfloat16
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda _emulated: True)
        assert loading.precision_of(weights, Options(), on_gpu=True) is half
        assert loading.precision_of(weights, Options(), on_gpu=False) is torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda _emulated: False)
    with pytest.raises(RuntimeError, match="this GPU has no bfloat16, which z-image"):
        loading.precision_of(weights, Options(), on_gpu=True)


def test_xl_decodes_in_float32_and_draws_on_after_a_decoding_that_broke_off(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = import_module("torch")
    network = load("stable-diffusion-xl", precision="float16")
    vae, seen = network._last.vae, []
    decode = vae.decode

    def once_too_large(latents: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(latents.dtype)
        if len(seen) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return decode(latents, *args, **kwargs)

    monkeypatch.setattr(vae, "decode", once_too_large)
    with pytest.raises(torch.OutOfMemoryError):
        network.draw(drawing("img2img"), FEW, [7, 8], Hears())
    (drawn,) = network.draw(drawing("img2img"), FEW, [7], Hears())
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert seen == [torch.float32, torch.float32]


def test_weights_that_draw_no_numbers_never_become_ready(
    load: Callable[..., Any], weights: Callable[[str], Path], tmp_path: Path
) -> None:
    diffusers, torch = import_module("diffusers"), import_module("torch")
    broken = diffusers.StableDiffusionPipeline.from_pretrained(
        weights("stable-diffusion"), local_files_only=True
    )
    with torch.no_grad():
        broken.vae.decoder.conv_out.weight.fill_(float("nan"))
    broken.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="the model drew no numbers"):
        load(tmp_path)


def test_the_decoder_and_attention_are_as_the_options_say(load: Callable[..., Any]) -> None:
    network = load("flux", vae_tiling=True, vae_slicing=True, attention="native")
    assert (network._last.vae.use_tiling, network._last.vae.use_slicing) == (True, True)
    two = network.draw(drawing("generate"), Recipe(steps=2, edge=64), [7, 8], Hears())
    assert [one.shape for one in two] == [(HEIGHT, WIDTH, 3)] * 2
