#!/usr/bin/env bash
# A label in quotation marks in JSON Lines is read as a number, a date or a time all the same.
#
# Believed: CSV readers guess types, JSON has them: "0012" in quotation marks stays the text 0012
#   in every reader.
# True: each of three guesses inside the quotation marks, and each another thing: pandas makes
#   numbers of "0012" and "1e5", pyarrow times of "2026-01-02", DuckDB dates of it and times of
#   "12:30". Only polars keeps them all. It depends on the column: one other word and all stays.
# Matters: labels of meters, dates of receipts and clocks change before anything is trained, and
#   JSON was chosen to prevent just that. Give the type (`dtype=str`, a schema, `columns=`) or read
#   with the json module.
# Source: arrow.apache.org/docs/python/json.html, automatic type inference;
#   pandas.pydata.org/docs/reference/api/pandas.read_json.html, dtype.
# Seen: 2026-11-28, pandas 3.1.1, pyarrow 26.0.1, duckdb 2.0.1, polars 2.1.0.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" \
  pandas==3.1.1 pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python - <<'EOF'
import json
import sys
from importlib.metadata import version

import duckdb
import pandas
import polars
import pyarrow.json

print(", ".join(f"{n} {version(n)}" for n in ("pandas", "pyarrow", "duckdb", "polars")))
READERS = {
    "pandas": lambda: pandas.read_json("labels.jsonl", lines=True)["label"].tolist(),
    "pyarrow": lambda: pyarrow.json.read_json("labels.jsonl")["label"].to_pylist(),
    "duckdb": lambda: [
        row[0] for row in duckdb.sql("select label from read_json('labels.jsonl')").fetchall()
    ],
    "polars": lambda: polars.read_ndjson("labels.jsonl")["label"].to_list(),
}
changed = {name: [] for name in READERS}
for labels in (
    ["0012", "0450"],
    ["1e5", "2e7"],
    ["2026-01-02", "2026-03-04"],
    ["12:30", "01:05"],
    ["0012", "x012"],
):
    with open("labels.jsonl", "w") as file:
        for number, label in enumerate(labels):
            print(json.dumps({"image": f"{number}.png", "label": label}), file=file)
    read = {name: reader() for name, reader in READERS.items()}
    print(labels, "->", {name: str(found[0]) for name, found in read.items()})
    for name, found in read.items():
        if found != labels:
            changed[name].append(labels[0])
EXPECTED = {
    "pandas": ["0012", "1e5"],
    "pyarrow": ["2026-01-02"],
    "duckdb": ["2026-01-02", "12:30"],
    "polars": [],
}
if changed != EXPECTED:
    sys.exit(f"CHANGED: {changed}")
print(f"as recorded: labels that were text and are read as something else: {changed}")
EOF
