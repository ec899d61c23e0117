"""Plain text tables for terminals: no colours, aligned, cut to what fits."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Columns as wide as their widest cell; the columns in `right` are right-aligned."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max([len(header[i]), *(len(row[i]) for row in cells)]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join([line(list(header)), line(["-" * w for w in widths]), *(line(row) for row in cells)])


def shortened(text: str, limit: int = 44) -> str:
    """The end of a long name, which in ONNX is the telling part."""
    return text if len(text) <= limit else "…" + text[-(limit - 1) :]
