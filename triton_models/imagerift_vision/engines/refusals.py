"""What an engine's refusal is to a job: a code, words that may be shown, and whether to try again.

An engine is a stranger: its words may quote the prompt, an address or a path.
"""

import email.utils
import json
import re
import time
from collections.abc import Sequence
from typing import Any

from imagerift_vision.errors import OUT_OF_MEMORY_SIGNS, VisionError

# What the request itself is at fault for. Of the rest some pass by themselves.
OF_THE_REQUEST = frozenset({400, 413, 415, 422})
PASSING = frozenset({408, 425, 429})
OF_THE_CREDENTIAL = frozenset({401, 403})
# Of OpenAI's error codes.
FILTERED = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
MAX_WORDS = 200
MAX_READ = 4000
# By so many words in a row, or a piece between commas of so many letters, a text is told to be
# the prompt's own.
RUN = 3
LEAST_PIECE = 3
_ADDRESS = re.compile(r"\S*(?:://|[/\\]\S*[/\\])\S*|\S{40,}")
_WORD = re.compile(r"\w+")
_PIECE = re.compile(r"[,.;:!?\n]")


def refusal(status: int, body: bytes, private: Sequence[str]) -> VisionError:
    """Why nothing came of a call that was answered with this status.

    `private` is what no word of the answer may repeat: prompts, and the credential.
    """
    code, words = told(body)
    if code in FILTERED:
        return VisionError("content_filtered", "the engine's own filter blocked it")
    if 300 <= status < 400:
        return VisionError("model_error", "the engine answered with a redirect: not followed")
    if status >= 500 and is_out_of_memory(words):
        return VisionError("out_of_memory", "the engine ran out of memory", retryable=True)
    if status in PASSING or status >= 500:
        return VisionError("model_error", f"the engine answered {status}", retryable=True)
    if status in OF_THE_CREDENTIAL:
        return VisionError("model_error", f"the engine refuses the pool's credential ({status})")
    shown = cleaned(words, private)
    why = f"{status}: {shown}" if shown else str(status)
    if status in OF_THE_REQUEST:
        return VisionError("invalid_request", f"the engine refuses the request ({why})")
    return VisionError("model_error", f"the engine cannot be asked this ({why})")


def is_out_of_memory(words: str) -> bool:
    """Whether an engine's words tell of a lack of memory."""
    return any(sign in words for sign in (*OUT_OF_MEMORY_SIGNS, "OutOfMemoryError"))


def told(body: bytes) -> tuple[str, str]:
    """Code and words of an error's body: OpenAI's, FastAPI's or ComfyUI's; empty for any other."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    found = document.get("error", document.get("detail", document.get("message")))
    parts = [_words(one) for one in (found if isinstance(found, list) else [found])]
    parts += [
        _words(error)
        for node in _values(document.get("node_errors"))
        for error in (node.get("errors") or () if isinstance(node, dict) else ())
    ]
    code = found.get("code") if isinstance(found, dict) else None
    return str(code or ""), "; ".join(part for part in parts if part)


def _values(node_errors: Any) -> list[Any]:
    return list(node_errors.values()) if isinstance(node_errors, dict) else []


def _words(error: Any) -> str:
    """One error's: a text, or FastAPI's `{loc, msg}`, or `{message, details}`; never its input."""
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    places = error.get("loc")
    place = ".".join(map(str, places)) if isinstance(places, list) else ""
    said = [place, error.get("msg"), error.get("message"), error.get("details")]
    return ": ".join(one for one in said if isinstance(one, str) and one)


def cleaned(words: str, private: Sequence[str]) -> str:
    """Words that may be shown to people; empty where they repeat what is private.

    Without addresses, paths and long runs of letters, on one line, `MAX_WORDS` characters at most.
    """
    line = "".join(c if c.isprintable() else " " for c in words[:MAX_READ])
    said = _tokens(line)
    runs, text = _runs(said), f" {' '.join(said)} "
    for secret in private:
        pieces = (" ".join(_tokens(piece)) for piece in _PIECE.split(secret))
        whole = any(f" {piece} " in text for piece in pieces if len(piece) >= LEAST_PIECE)
        if whole or runs & _runs(_tokens(secret)) or (secret.strip() and secret in line):
            return ""
    line = " ".join(_ADDRESS.sub("…", line).split())
    return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 1]}…"


def _tokens(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After asks for (RFC 9110, 10.2.3); None where it asks for none."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
