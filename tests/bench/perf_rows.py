"""Measured points of others as rows: which replica, which load, and the milliseconds that were measured."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from costwain.domain.hardware import ACCELERATORS, Accelerator
from costwain.domain.models import ModelShape, shape_of

_PRECISIONS = {"": "bf16", "fp4": "mxfp4"}
_CONCURRENCY = re.compile(r"silicon_concurrency=(\d+)")
_BRACKETED = re.compile(r"\((.+)\)")


@dataclass(frozen=True)
class Row:
    """One point. `ttft_ms` None: a static batch, all of it at once, whose milliseconds a token hold the prefill too."""

    model: str
    shape: ModelShape
    accelerator: Accelerator
    devices: int
    layout: str
    batch: int
    input_tokens: int
    output_tokens: int
    token_ms: float
    ttft_ms: float | None

    @property
    def what(self) -> tuple[str, str, str]:
        """Model, accelerator and precision."""
        return self.model, self.accelerator.name, self.shape.precision

    @property
    def group(self) -> tuple[str, str, str, str]:
        """One capacity scalar of the operator: the same replica under other loads."""
        return *self.what, self.layout

    def __str__(self) -> str:
        load = f"{self.batch} x {self.input_tokens} in, {self.output_tokens} out"
        return f"{self.model} {self.shape.precision} on {self.devices} x {self.accelerator.name}: {load}"


def read(path: Path) -> tuple[list[Row], list[str]]:
    """Every usable row of a CSV file, or of those in a folder, and a sentence for each kind that isn't."""
    rows, left = list[Row](), dict[str, int]()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        with file.open(encoding="utf-8", newline="") as text:
            for found in _rows(csv.DictReader(text), file.name):
                if isinstance(found, Row):
                    rows.append(found)
                else:
                    left[found] = left.get(found, 0) + 1
    return rows, [f"{n} rows left out: {why}" for why, n in sorted(left.items())]


def _rows(table: "csv.DictReader[str]", file: str) -> Iterator[Row | str]:
    columns = set(table.fieldnames or ())
    for line in table:
        if {"silicon_tpot_ms", "system", "isl"} <= columns:
            yield _served(line)
        elif {"latency_s", "tp", "batch"} <= columns:
            yield _static(line, file)
        else:
            yield f"{file} has neither silicon_tpot_ms nor latency_s"


def _served(line: dict[str, str]) -> Row | str:
    if line["mode"] != "agg":
        return "prefill and decode on different devices"
    shape = _shape(line["model_path"], _PRECISIONS.get(line["precision"], line["precision"]))
    if shape is None:
        return f"{line['model_path']} isn't in the table of models"
    concurrency = _CONCURRENCY.search(line["silicon_data_source"])
    # Attention may be copied (data parallel) over the devices that share the experts; a copy more than the
    # eight devices of a node are several replicas.
    tensors, experts = line["moe_tp_size"] or "1", line["moe_ep_size"] or "1"
    sharing = int(tensors) * int(experts)
    return Row(
        model=line["model_path"],
        shape=shape,
        accelerator=ACCELERATORS[line["system"].removesuffix("_sxm")],
        devices=max(int(line["tp_size"]), sharing if sharing <= 8 else 0),
        layout=f"tp {line['tp_size']}, experts {tensors} x {experts}",
        batch=int(concurrency[1]) if concurrency else int(line["batch_size"]),
        input_tokens=int(line["isl"]),
        output_tokens=int(line["osl"]),
        token_ms=float(line["silicon_tpot_ms"]),
        ttft_ms=float(line["silicon_ttft_ms"]),
    )


def _static(line: dict[str, str], file: str) -> Row | str:
    name = _BRACKETED.search(line["model"])
    accelerator = next((a for key, a in ACCELERATORS.items() if key in file), None)
    if name is None or accelerator is None:
        return f"{file}: no accelerator in its name, or no model in brackets"
    shape = _shape(name[1], line["precision"].lower())
    if shape is None:
        return f"{name[1]} isn't in the table of models"
    return Row(
        model=name[1],
        shape=shape,
        accelerator=accelerator,
        devices=int(line["tp"]),
        layout=f"tp {line['tp']}",
        batch=int(line["batch"]),
        input_tokens=int(line["input"]),
        output_tokens=int(line["output"]),
        token_ms=float(line["latency_s"]) * 1000 / int(line["output"]),
        ttft_ms=None,
    )


def _shape(model: str, precision: str) -> ModelShape | None:
    """A base model has the shape of its instructed one."""
    shape = shape_of(model) or shape_of(f"{model}-Instruct")
    return None if shape is None else replace(shape, precision=precision)
