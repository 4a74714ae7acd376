"""Output sizes: the export size names the long edge, the aspect its proportions."""

LONG_EDGES = {"base": 1024, "2k": 2048, "4k": 4096}


def output_size(
    export_size: str, aspect: str, source_width: int, source_height: int
) -> tuple[int, int]:
    """Width and height of an output in pixels.

    `source` keeps the source's proportions: at most 16:1 is taken.
    """
    long_edge = LONG_EDGES[export_size]
    if aspect == "source":
        ratio = source_width / source_height
    else:
        wide, high = aspect.split(":")
        ratio = int(wide) / int(high)
    if ratio >= 1:
        return long_edge, max(1, round(long_edge / ratio))
    return max(1, round(long_edge * ratio)), long_edge
