"""The words and limits that stand in the documents between services and models.

Nothing here needs more than the standard library: both sides import it.
"""

from typing import Literal

ExportSize = Literal["base", "2k", "4k"]
# The long edge of an output in pixels.
EXPORT_LONG_EDGE: dict[ExportSize, int] = {"base": 1024, "2k": 2048, "4k": 4096}
DEFAULT_EXPORT_SIZE: ExportSize = "base"

OutputAspect = Literal["source", "1:1", "4:5", "3:4", "2:3", "16:9", "9:16", "3:2", "4:3"]
DEFAULT_OUTPUT_ASPECT: OutputAspect = "source"

OutputFormat = Literal["png", "jpeg", "webp", "avif"]
CONTENT_TYPES: dict[OutputFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
DEFAULT_OUTPUT_FORMAT: OutputFormat = "png"
THUMBNAIL_TYPE = "image/webp"

# What is done where the subject cannot be cut out well: the whole picture is graded, it is cut out
# all the same, or the job fails with `subject_unclear`. A cut-out has nothing to grade: it fails.
OnUnclearSubject = Literal["grade", "cut", "fail"]
DEFAULT_ON_UNCLEAR_SUBJECT: OnUnclearSubject = "grade"

MAX_PROMPT_CHARACTERS = 2_000
MAX_VARIATIONS = 8
# A variation may be wanted in several shapes: so many of them, and so many pictures of a job. The
# picture of variation `v` in shape `k` of `n` has the index `v * n + k`.
MAX_OUTPUTS = 8
MAX_PICTURES = 24
# Pictures that are looked at beside the source.
MAX_REFERENCES = 3
# Variation `i` has the seed `(seed + i) % SEED_SPACE`.
SEED_SPACE = 2**32
MAX_SEED = SEED_SPACE - 1

# Why a job failed, or one of its outputs.
JobErrorCode = Literal[
    "model_error",
    "timeout",
    "unsupported_image",
    "image_unreadable",
    "image_too_large",
    "input_unavailable",
    "output_upload_failed",
    "out_of_memory",
    "content_filtered",
    "no_face_found",
    "subject_unclear",
    "invalid_request",
]
# Why an attempt did: one that was canceled is no failure of its job.
ErrorCode = Literal[JobErrorCode, "canceled"]

# What an attempt is at. `waiting` is for a mode's model that draws others first.
ProgressStage = Literal["fetch", "decode", "moderate", "waiting", "model", "encode", "upload"]

PresetReason = Literal["request", "background", "look", "meaning", "default"]
Framing = Literal["whole", "cropped", "extended", "bordered"]
# What of the set a prompt's words ask for, and why some had no effect: no list knows them, another
# wish went before, or this look or picture cannot show it.
ReadPart = Literal[
    "look", "background", "wall", "floor", "light", "accent", "time", "copySpace", "angle",
    "shadow", "reflection",
]  # fmt: skip
IgnoredReason = Literal["unknown", "conflict", "impossible"]
# How far the proportions of a mask may be from its source's.
MASK_TOLERANCE = 0.02
# What became of the subject, and why: its cut-out is `sure`, its matte was `given`, nothing
# stands out (`none`), the cut-out is in `doubt`, or the frame cuts it on several sides.
SubjectTreatment = Literal["cut_out", "graded"]
SubjectReason = Literal["sure", "given", "none", "doubt", "close_up"]
# A product is kept where each channel of each pixel inside its matte's edge is nearer than this to
# the source's, in steps of 1/255.
MAX_KEPT_DIFFERENCE = 1.0
MAX_READ_ITEMS = 16
MAX_READ_VALUE = 32
MAX_PRESET_WORDS = 60
MAX_REFUSED_PRESETS = 16
MAX_PRESET_NAME = 64
MAX_FACES = 100
