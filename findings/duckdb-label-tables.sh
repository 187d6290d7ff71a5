#!/usr/bin/env bash
# DuckDB takes the first label for a header, and keeps leading zeros in small tables only.
#
# Believed: `0012` becomes 12 as in other CSV readers, so somebody who tries it on a few rows and
#   sees `0012` need not fear; a table without a header is seen to have none.
# True: one label with a leading zero among the rows that it samples (about 20,000) keeps the
#   column text; where the first comes later, it is read as 12 without a word. And of a table of
#   names and texts without a header the first row always becomes the header: one image less, and
#   columns called after it.
# Matters: the trial on 100 rows passes, and the whole data set loses its zeros. Say
#   `header = false, all_varchar = true`.
# Source: duckdb.org/docs/stable/data/csv/auto_detection, type and header detection.
# Seen: 2026-11-28, duckdb 2.0.1.
set -euo pipefail
PATH="$(dirname "$0")/../.venv/bin:$PATH"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
uv venv -q --python python3 "$place/venv"
uv pip install -q --python "$place/venv/bin/python" duckdb==2.0.1 ||
  { echo "cannot install the packages: is a package index within reach?" >&2; exit 2; }

cd "$place"
venv/bin/python - <<'EOF'
import random
import sys
from importlib.metadata import version

import duckdb

print("duckdb", version("duckdb"))
draw = random.Random(0)


def write(name, labels, header=True):
    with open(name, "w") as file:
        if header:
            print("image,label", file=file)
        for number, label in enumerate(labels):
            print(f"{number:06d}.png,{label}", file=file)


last = {}
for rows in (100, 10_000, 30_000):
    write("digits.csv", [draw.randint(1000, 9999) for _ in range(rows)] + ["0012"])
    table = duckdb.sql("from 'digits.csv'")
    last[rows] = table.fetchall()[-1][1]
    print(f"{rows + 1} rows, the last 0012: label is {table.types[1]}, the last {last[rows]!r}")

words = ["".join(draw.choices("abcdefghkmnpqrstuvwxyz", k=5)) for _ in range(50)]
write("words.csv", words, header=False)
table = duckdb.sql("from 'words.csv'")
rows, columns = len(table.fetchall()), table.columns
print(f"50 rows without a header: {rows} read, columns {columns}")
said = duckdb.sql("from read_csv('words.csv', header = false, all_varchar = true)")
told = len(said.fetchall())
if (list(last.values()), rows, columns, told) != (
    ["0012", "0012", 12], 49, ["000000.png", words[0]], 50
):  # fmt: skip
    sys.exit(f"CHANGED: {last}, {rows} rows, {columns}, {told}")
print(f"as recorded: 0012 in 10,001 rows is '0012', in 30,001 rows 12; {rows} of 50 rows")
EOF
