"""The documents: links, headings, command lines, examples, and pages made from the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import pytest
import typer.core
import typer.main

from accelerators.registry import load_spec
from pipeline.cli.app import app
from pipeline.scenario import load_scenario
from pipeline.transport import decode
from tools.reference.__main__ import pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SHELLS = ("sh", "bash", "console", "shell")
MOST_PICTURE_BYTES = 150_000

_FENCE = re.compile(r"^( *)```(\w*)\s*$")
_HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES]
)


class Block(NamedTuple):
    """A fenced block: where it begins, what language it is marked with, what it holds."""

    line: int
    language: str
    text: str


class _Verb(Protocol):
    """A command that reads its arguments without running."""

    def make_context(self, info_name: str, args: list[str]) -> object:
        """Parse; raises where the arguments do not fit."""


def split(page: Path) -> tuple[list[str], list[Block]]:
    """Lines of a page outside of fenced blocks, and the blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    inside: tuple[int, str, str] | None = None
    held: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside is None and fence is not None:
            inside, held = (number, fence[2], fence[1]), []
        elif inside is not None and fence is not None and not fence[2]:
            blocks.append(Block(inside[0], inside[1], "\n".join(held) + "\n"))
            inside = None
        elif inside is not None:
            held.append(line.removeprefix(inside[2]))
        else:
            prose.append(line)
    assert inside is None, f"{page.name}: the block of line {inside} is never closed"
    return prose, blocks


def headings(page: Path) -> list[str]:
    """Texts of a page's headings, in order."""
    found = (_HEADING.match(line) for line in split(page)[0])
    return [match[2] for match in found if match is not None]


def anchor(heading: str) -> str:
    """What a forge calls a heading in a link: lower case, spaces to hyphens, marks left out."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def command_lines(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Each `splitway …` of a page's shell blocks: line of the block, arguments behind the name."""
    for block in split(page)[1]:
        if block.language not in SHELLS:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            if "splitway" not in line:
                continue
            plain = shlex.split(line.strip().removeprefix("$ "), comments=True)
            while plain and re.fullmatch(r"[A-Z_]+=.*", plain[0]):
                plain = plain[1:]
            if plain and Path(plain[0]).name == "splitway":
                ends = (i for i, w in enumerate(plain) if w in (">", "|", "||", "&&", ";"))
                stop = next(ends, len(plain))
                yield block.line, [word.removesuffix(";") for word in plain[1:stop]]


@each_page
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    """A relative link names a file of the repository, and behind `#` a heading of it."""
    for target in _LINK.findall("\n".join(split(page)[0])):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target} leads nowhere"
        assert file.is_relative_to(ROOT), f"{page.name}: {target} leaves the repository"
        if fragment:
            known = [anchor(heading) for heading in headings(file)]
            assert fragment in known, f"{page.name}: {target}: no such heading"


@each_page
def test_headings_of_a_page_are_unique(page: Path) -> None:
    """So that a link to one is not a link to another, with one title at the top."""
    found = [anchor(heading) for heading in headings(page)]
    if page.name != "CHANGELOG.md":  # Added, Changed, … come again with each version
        assert len(found) == len(set(found))
    titles = [line for line in split(page)[0] if re.match(r"# ", line)]
    assert len(titles) == 1


@each_page
def test_no_page_names_a_path_of_somebodys_machine(page: Path) -> None:
    """Pages are read elsewhere than where they were written."""
    assert not re.search(r"/(?:home|root|work|tmp|Users)/", page.read_text("utf-8"))


def test_every_page_under_docs_is_linked_from_the_readme_or_another_page() -> None:
    """A page that nothing leads to is not found."""
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in _LINK.findall("\n".join(split(page)[0]))
        if not re.match(r"[a-z]+:|#", target)
    }
    assert [p.name for p in PAGES if p.is_relative_to(ROOT / "docs") and p not in linked] == []


@each_page
def test_command_lines_have_verbs_and_options_that_exist(page: Path) -> None:
    """Each `splitway …` in a shell block parses; nothing is run."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    for line, arguments in command_lines(page):
        if arguments == ["--help"]:
            continue
        where = f"{page.name}:{line}: splitway {' '.join(arguments)}"
        assert arguments, where
        assert arguments[0] in group.commands, where
        verb = cast("_Verb", group.commands[arguments[0]])
        try:
            verb.make_context(arguments[0], arguments[1:])
        except Exception as err:  # noqa: BLE001 - whatever typer says, with the line
            pytest.fail(f"{where}: {err}")


def test_command_lines_are_found_at_all() -> None:
    """The test above would pass on pages that it cannot read."""
    found = [arguments for page in PAGES for _, arguments in command_lines(page)]
    assert len(found) > 20
    assert {words[0] for words in found} >= {"demo", "run", "plan", "check", "price", "rerun"}
    assert not any(">" in words for words in found)


@each_page
def test_files_named_on_command_lines_exist(page: Path) -> None:
    """A scenario of the checkout that a page tells people to use is there."""
    for line, arguments in command_lines(page):
        for word in arguments:
            if re.match(r"(?:examples|pipeline)/", word):
                assert (ROOT / word).is_file(), f"{page.name}:{line}: {word}"


def test_generated_pages_are_current() -> None:
    """`python -m tools.reference` would change nothing."""
    made = pages()
    assert len(made) == 2
    for path, text in made.items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale: tools/reference"


def test_the_readme_names_both_make_targets() -> None:
    """What a new reader needs, and what the build server runs."""
    text = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for target in ("demo", "test"):
        assert f"make {target}" in text
        assert target in targets


def _blocks(language: str, start: str) -> list[tuple[str, str]]:
    found = [
        (f"{page.name}:{block.line}", block.text)
        for page in PAGES
        for block in split(page)[1]
        if block.language == language and block.text.startswith(start)
    ]
    assert found, f"no {language} block begins with {start}"
    return found


def test_whole_scenarios_in_the_pages_are_valid(tmp_path: Path) -> None:
    """A block that begins as a scenario does is one; the files it names are not looked for."""
    for _, text in _blocks("yaml", "splitway:"):
        file = tmp_path / "scenario.yaml"
        file.write_text(text, "utf-8")
        load_scenario(file)


def test_whole_device_files_in_the_pages_are_valid(tmp_path: Path) -> None:
    """A block that begins as a device file does is one."""
    for _, text in _blocks("toml", 'schema = "splitway.device/1"'):
        file = tmp_path / "device.toml"
        file.write_text(text, "utf-8")
        assert load_spec(file).kind == "npu"


def test_the_message_made_by_hand_passes_the_wires_checks(tmp_path: Path) -> None:
    """The example of the wire page is a message that a node takes."""
    ((_, text),) = _blocks("python", "import msgpack")
    file = tmp_path / "by_hand.py"
    file.write_text(text, "utf-8")
    received = decode(cast("Sequence[bytes]", run_path(str(file))["parts"]))
    assert received.header.kind == "answer"
    assert received.payloads[0].name == "result"
    assert received.payloads[0].buffers[0].tobytes() == bytes([1, 0, 0, 0])


def test_pictures_are_small_and_fetch_nothing() -> None:
    """A page loads without asking a third party."""
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < MOST_PICTURE_BYTES
        if picture.suffix == ".svg":
            text = picture.read_text("utf-8").replace("http://www.w3.org/", "")
            assert "//" not in text
            assert "@font-face" not in text
