"""Pictures of a design: tables against their real functions, weights, the graph of layers, and one HTML page of all."""

from __future__ import annotations

from hwq.report.files import draw
from hwq.report.page import report_page
from hwq.report.pictures import Picture, pictures

__all__ = ["Picture", "draw", "pictures", "report_page"]
