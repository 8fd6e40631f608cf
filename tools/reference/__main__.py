"""Writes the reference pages that come out of the code: scenario keys and command line.

`python -m tools.reference` writes them, with `--check` it says whether they are current. What a
key means is said in `meanings`, by its dotted path, unless its field describes itself; a key
without a meaning and a meaning without a key are errors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.reference.cli import cli_page
from tools.reference.scenario import scenario_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


def pages() -> dict[Path, str]:
    """Every page that is made, by its file."""
    return {FOLDER / "scenario.md": scenario_page(), FOLDER / "cli.md": cli_page()}


def main() -> int:
    """Write the pages, or say which is not current."""
    parser = argparse.ArgumentParser(description="Write the reference pages made of the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one differs")
    check = bool(parser.parse_args().check)
    stale = []
    for path, text in pages().items():
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            path.write_text(text, "utf-8")
    if stale:
        print(f"{'not current' if check else 'written'}: {', '.join(stale)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
