"""Pictures `docs/report.png` and `docs/terminal.svg`: recorded searches, on the page and printed.

    python -m docs.draw_report

Needs Chromium for the page; CHROMIUM names another than the system's.
"""

import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from search.report import terminal
from search.report.page import page
from search.report.report import Report

DOCS = Path(__file__).parent
SHOWN, PRINTED = "results/real", "results/crnn-real"
"""Runs that are on the page's picture and on the terminal's."""
TOP, COLUMNS = 5, 100
WIDTH, HEIGHT = 1280, 900
"""Of the page's picture, in px."""


def printed() -> str:
    """What the command prints in a terminal, as SVG that asks for no font from elsewhere."""
    inner = Console(
        file=io.StringIO(), width=COLUMNS, markup=False, force_terminal=True,
        color_system="truecolor",
    )  # fmt: skip
    with inner.capture() as captured:
        inner.print(f"$ python -m search.analyse {PRINTED} --top {TOP}\n", highlight=False)
        terminal.show(Report.of(Path(PRINTED)), TOP, inner)
    # Long lines are left to the terminal to wrap; the picture has to do it itself.
    outer = Console(file=io.StringIO(), record=True, width=COLUMNS)
    outer.print(Text.from_ansi(captured.get()))
    svg = outer.export_svg(title="captcha-search", unique_id="terminal")
    return re.sub(r"\s*@font-face \{.*?\n    \}|    <!--.*?-->\n", "", svg, flags=re.S)


def photographed() -> Image.Image:
    """The head of the page in a browser, in few colours."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(page(Report.of(Path(SHOWN))), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.goto(file.as_uri())
        tab.wait_for_selector("html[data-drawn=all]", timeout=120_000)
        image = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        browser.close()
    return image.quantize(64)


if __name__ == "__main__":
    os.chdir(DOCS.parent)
    # As after `source .venv/bin/activate`: the commands on the pictures name no machine's folders.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    (DOCS / "terminal.svg").write_text(printed(), encoding="utf-8")
    photographed().save(DOCS / "report.png", optimize=True)
    sys.stdout.write("wrote docs/terminal.svg and docs/report.png\n")
