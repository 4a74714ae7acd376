"""Output sizes: the export size names the long edge, the aspect its proportions."""

from imagerift_contract.values import EXPORT_LONG_EDGE, ExportSize, OutputAspect


def output_size(
    export_size: ExportSize, aspect: OutputAspect, source_width: int, source_height: int
) -> tuple[int, int]:
    """Width and height of an output in pixels.

    `source` keeps the source's proportions: at most 16:1 is taken.
    """
    long_edge = EXPORT_LONG_EDGE[export_size]
    if aspect == "source":
        ratio = source_width / source_height
    else:
        wide, high = aspect.split(":")
        ratio = int(wide) / int(high)
    if ratio >= 1:
        return long_edge, max(1, round(long_edge / ratio))
    return max(1, round(long_edge * ratio)), long_edge
