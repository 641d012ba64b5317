"""Fails if a line of the given source files is longer than 100 characters.

The formatters break code but not comments and string literals; this catches those. A line whose
last word alone is too long (a URL, say) passes.
"""

import sys

LIMIT = 100
found = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if len(line) > LIMIT and len(line.split()[-1]) < LIMIT // 2:
                found += 1
                print(f"{path}:{number}: {len(line)} columns; expected at most {LIMIT}")
sys.exit(1 if found else 0)
