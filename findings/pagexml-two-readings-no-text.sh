#!/usr/bin/env bash
# pagexml-tools gives no text for a line of PAGE XML that has two readings, or words only.
#
# Believed: of two TextEquiv of a line the one with the lowest index, or the first, is its text; of
#   a line that has text at its words alone the words are joined.
# True: in both cases the line's text is None, without a warning. PAGE allows several readings of a
#   line (ground truth at index 0, a recogniser's after it), and some editors and recognisers write
#   words only.
# Matters: a training set made from such pages loses those lines, or gets empty labels; where only
#   some pages were corrected, the corrected lines are the ones that go. Count the lines without
#   text, and read Unicode elements with an XML reader where there are any.
# Source: PRImA PAGE XML, TextEquivType, attribute index ("main text content" at 0);
#   pypi.org/project/pagexml-tools, parse_pagexml_file.
# Seen: 2026-11-28, pagexml-tools 0.9.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" pagexml-tools==0.9.0 numpy==2.4.6 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

from pagexml.parser import parse_pagexml_file

print("pagexml-tools", version("pagexml-tools"))
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Metadata><Creator>x</Creator><Created>2020-01-01T00:00:00</Created>
<LastChange>2020-01-01T00:00:00</LastChange></Metadata>
<Page imageFilename="a.png" imageWidth="200" imageHeight="100">
<TextRegion id="r"><Coords points="0,0 200,0 200,100 0,100"/>
<TextLine id="l"><Coords points="0,0 200,0 200,20 0,20"/><Baseline points="0,18 200,18"/>
{}</TextLine></TextRegion></Page></PcGts>"""
WORD = '<Word id="{}"><Coords points="0,0 9,0 9,9 0,9"/>{}</Word>'


def text(unicode, attributes=""):
    return f"<TextEquiv{attributes}><Unicode>{unicode}</Unicode></TextEquiv>"


LINES = {
    "one reading": text("0012"),
    "one, with its confidence": text("0012", ' conf="0.9"'),
    "two, truth first": text("0012", ' index="0"') + text("OO12", ' index="1" conf="0.4"'),
    "two, truth last": text("OO12", ' index="1" conf="0.4"') + text("0012", ' index="0"'),
    "words and line": WORD.format("w", text("0012")) + text("0012"),
    "words only": WORD.format("w", text("12")) + WORD.format("v", text("50")),
}
found = {}
for name, content in LINES.items():
    with open("page.xml", "w") as file:
        file.write(PAGE.format(content))
    (line,) = parse_pagexml_file("page.xml").get_lines()
    found[name] = line.text
    print(f"{name}: {line.text!r}")
without = [name for name, read in found.items() if read is None]
if without != ["two, truth first", "two, truth last", "words only"]:
    sys.exit(f"CHANGED: {found}")
print("as recorded: no text for lines with", "; ".join(without))
EOF
