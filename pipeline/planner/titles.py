"""What people call the candidates of a task: a few words each, and no two the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.plan.plan import Candidate

_ENDS = 2  # devices of a route that has one at each end of the link
_SIZES = {"": "", "2": "half size"}


def title(candidate: Candidate) -> str:
    """A candidate in a few words; of one that stands in no plan, without what tells it apart."""
    return candidate.title or _with_hedge(candidate, _words(candidate))


def titles(candidates: Sequence[Candidate]) -> list[str]:
    """Words for each candidate of a task, no two the same.

    Its route and codecs, of a ladder its variant, and where other routes have those too the
    devices, the cut or the codecs by tensor in which they differ; a number where nothing else does.
    """
    ladder = len({c.route.variant for c in candidates}) > 1
    names = [f"{_words(c)} of {c.route.variant}" if ladder else _words(c) for c in candidates]
    for told in (_devices, _cut, _tensors):
        names = _told_apart(candidates, names, told)
    routes: dict[str, list[str]] = {}
    for name, candidate in zip(names, candidates, strict=True):
        mine = routes.setdefault(name, [])
        if candidate.route.id not in mine:
            mine.append(candidate.route.id)
    return [
        _with_hedge(c, name + _number(routes[name], c.route.id))
        for name, c in zip(names, candidates, strict=True)
    ]


def codec_words(coded: str) -> str:
    """A codec in words: a JPEG by its quality alone, a smaller picture by its size."""
    kind, _, rest = coded.partition(":")
    if kind not in ("jpeg", "webp"):
        return coded
    quality, _, divisor = rest.partition("/")
    size = _SIZES.get(divisor, f"1/{divisor} size")
    words = [*([kind] if kind == "webp" else []), f"q{quality}", size]
    return " ".join(word for word in words if word)


def _words(candidate: Candidate) -> str:
    words: list[str] = [candidate.name]
    coded = "+".join(dict.fromkeys(codec_words(coded) for coded in candidate.codecs))
    if coded not in ("", candidate.name):
        words.append(coded)
    if candidate.gap or len(candidate.devices) > _ENDS:
        words.append(_devices(candidate))
    return " ".join(words)


def _devices(candidate: Candidate) -> str:
    return f"on {'+'.join(candidate.devices)}"


def _cut(candidate: Candidate) -> str:
    """Its last node where that names the cut, else its first tensor and how many more."""
    if candidate.name != "split":
        return ""
    if candidate.pin is not None:
        return f"at {candidate.pin.removeprefix('split@')}"
    more = len(candidate.cut) - 1
    return f"at {candidate.cut[0]}{f' and {more} more' if more else ''}"


def _tensors(candidate: Candidate) -> str:
    """Codecs tensor by tensor."""
    if len(set(candidate.codecs)) < 2:  # noqa: PLR2004 - one for all
        return ""
    pairs = zip(candidate.cut, candidate.codecs, strict=True)
    return f"({', '.join(f'{name} {coded}' for name, coded in pairs)})"


def _told_apart(
    candidates: Sequence[Candidate], names: Sequence[str], told: Callable[[Candidate], str]
) -> list[str]:
    """The names, those of several routes with what tells these apart, where that does."""
    routes = {(name, c.route.id) for name, c in zip(names, candidates, strict=True)}
    shared = Counter(name for name, _ in routes)
    words: dict[str, set[str]] = {}
    for name, candidate in zip(names, candidates, strict=True):
        words.setdefault(name, set()).add(told(candidate))
    found = []
    for name, candidate in zip(names, candidates, strict=True):
        more = told(candidate)
        apart = shared[name] > 1 and len(words[name]) > 1 and more and more not in name
        found.append(f"{name} {more}" if apart else name)
    return found


def _number(routes: Sequence[str], route: str) -> str:
    return f" no. {routes.index(route) + 1}" if len(routes) > 1 else ""


def _with_hedge(candidate: Candidate, words: str) -> str:
    return words if candidate.hedge is None else f"{words} + {candidate.hedge.form}"
