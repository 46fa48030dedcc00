"""Copies the speeds of the benchmark of shapes into the table of docs/models.md.

python -m benchmarks.model_speeds
"""

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.__main__ import REPORT, ROOT
from benchmarks.shapes import STOCK, TITLE, WAYS

PAGE = ROOT / "docs" / "models.md"

_NAME = re.compile(r"\| `([^`]+)` \|")
_COLUMNS = 4
"""Of the page: the stock way, and ours in fp32, bf16 and int8."""


def with_speeds(page: str, report: str) -> str:
    """The page with the speeds of the report's section; ours in fp32 is the quicker runtime's."""
    speeds = dict(_speeds(report))
    return "".join(_filled(line, speeds) for line in page.splitlines(keepends=True))


def _speeds(report: str) -> Iterator[tuple[str, list[str]]]:
    _, _, section = report.partition(f"{TITLE}\n")
    table = section.partition("\n\nThe share")[0]
    for line in table.splitlines():
        if found := _NAME.match(line):
            cells = [cell.strip() for cell in line.strip("|").split("|")][3:]
            numbers = [cell.partition(" ")[0] for cell in cells]
            ways = dict(zip((STOCK, *WAYS), numbers, strict=True))
            quicker = max(
                ways["onnx fp32"], ways["openvino fp32"], key=lambda text: float(text or 0)
            )
            yield found[1], [ways[STOCK], quicker, ways["openvino bf16"], ways["openvino int8"]]


def _filled(line: str, speeds: dict[str, list[str]]) -> str:
    found = _NAME.match(line)
    if not found or found[1] not in speeds:
        return line
    cells = line.rstrip().strip("|").split("|")
    filled = [f" {speed} " if speed else " " for speed in speeds[found[1]]]
    return f"|{'|'.join([*cells[:-_COLUMNS], *filled])}|\n"


def main(page: Path = PAGE, report: Path = REPORT) -> None:
    """Writes the page."""
    text = with_speeds(page.read_text(encoding="utf-8"), report.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
