"""Devices for people: what there is, whether it keeps to its contract, and what a model costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from accelerators.work import Precision


def price(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="ONNX files.")],
    *,
    device: Annotated[str, typer.Option("--device", metavar="ID", help="See `devices`.")],
    precision: Annotated[
        str | None, typer.Option("--precision", help="int8, fp16, w8a16 or float32.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples per run.")] = 1,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """Latency and energy of a model on a device, total and per operator."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    found = api.price(models, device, precision=_precision(precision), batch=batch)
    if common.json:
        print_json(found[0] if len(found) == 1 else found)
        return
    for document in found:
        _print_price(common, document)


def devices(
    *,
    conformance: Annotated[
        str | None,
        typer.Option("--conformance", metavar="ID", help="Check what this one has to keep to."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option("--models", metavar="DIR", help="Where the networks of the check are put."),
    ] = None,
    network: Annotated[
        list[Path] | None,
        typer.Option("--network", metavar="ONNX", help="Compare answers on it too; repeatable."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="Of the backend; repeatable."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """List devices and backends, and why one is unavailable; or check one against its contract."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    if conformance is not None:
        from pipeline.cli.conforming import examine

        examine(common, conformance, options=option or (), models=models, networks=network or ())
        return
    if models or network or option:
        raise typer.BadParameter(
            "--models, --network and --option belong to --conformance", param_hint="--conformance"
        )
    found = api.devices()
    if common.json:
        print_json({"schema": "splitway.devices/1", "devices": found})
        return
    rows = [
        (
            str(entry["id"]),
            str(entry["kind"]),
            str(entry["label"]),
            str(entry["source"]),
            "yes" if entry["available"] else "no",
        )
        for entry in found
    ]
    print_table(
        common, ("id", "kind", "label", "source", "available"), rows, left=5, yielding=("source",)
    )
    for entry in found:
        if not entry["available"]:
            print(f"{entry['id']}: {entry['why']}")


def _precision(text: str | None) -> Precision | None:
    match text:
        case None | "float32" | "float16" | "int8" | "w8a16":
            return text
        case "fp32" | "fp16":
            return "float32" if text == "fp32" else "float16"
        case _:
            raise typer.BadParameter(
                f"{text!r} is none of int8, fp16, w8a16, float32", param_hint="--precision"
            )


def _print_price(common: options.Common, document: dict[str, object]) -> None:
    low, high = _pair(document["interval_ms"])
    energy = document["energy_mj"]
    print(
        f"{document['model']} on {document['device']}, {document['precision']}, batch "
        f"{document['batch']}: {_ms(document['latency_ms'])} ms ({low:.3f}–{high:.3f}), "
        f"{document['label']}; overhead {_ms(document['overhead_ms'])} ms"
        + (f", {energy:.2f} mJ" if isinstance(energy, float) else "")
    )
    operators = document["ops"]
    rows = []
    for op in operators if isinstance(operators, list) else ():
        fused = op["fused_into"]
        rows.append(
            (
                op["name"],
                op["op"],
                op["on"] if fused is None else f"in {fused}",
                _ms(op["latency_ms"]),
                f"{op['macs'] / 1e6:.2f}",
                f"{op['bytes']:,}".replace(",", " "),
            )
        )
    print_table(common, ("operator", "type", "on", "ms", "MMAC", "bytes"), rows, left=3)


def _ms(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _pair(value: object) -> tuple[float, float]:
    match value:
        case [int() | float() as low, int() | float() as high]:
            return low, high
        case _:
            return 0.0, 0.0
