"""Tokenizers of one token a byte, in the classes that each family wants; nothing is downloaded."""

from typing import Any

import transformers

# Roles and texts as they come: the templates of the real ones need no more to be gone through.
CHAT = (
    "{% for message in messages %}{{ message.role }}: "
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}\n"
    "{% endfor %}"
)
QWEN_WORDS = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
PIXTRAL_WORDS = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")


def byte_names() -> list[str]:
    """The 256 characters that stand for bytes in GPT-2's vocabulary (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]


def clip_tokenizer() -> Any:
    """256 bytes, 256 at a word's end, start and end of text; no merges."""
    names = byte_names()
    words = [*names, *(f"{name}</w>" for name in names), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def t5_tokenizer() -> Any:
    """Letters, digits and the end of text; what else there is, is unknown."""
    letters = [chr(code) for code in range(0x21, 0x7F)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in letters]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def byte_tokenizer(words: tuple[str, ...] = QWEN_WORDS, *, chat: str | None = None) -> Any:
    """The class of Qwen's, with the words that its templates use."""
    vocabulary = {word: number for number, word in enumerate([*byte_names(), "<|endoftext|>"])}
    made = transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[], model_max_length=1024)
    made.add_special_tokens({"additional_special_tokens": list(words)})
    made.chat_template = chat
    return made


def picture_processor() -> Any:
    """Pictures for Qwen2.5-VL, of a few patches."""
    return transformers.Qwen2VLImageProcessorPil(
        size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    )
