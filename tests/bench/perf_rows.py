"""Measured points of others as rows: which replica, which load, and the milliseconds that were measured."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from costwain.domain.hardware import ACCELERATORS, Accelerator
from costwain.domain.models import ModelShape, shape_of
from costwain.sim.arrival import InputError, number_of
from costwain.sim.text import csv_rows

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


@dataclass(frozen=True)
class _Line:
    """One line of a file, which says where, what and found of a cell that can't be used."""

    where: str
    cells: dict[str, str]

    def text(self, column: str) -> str:
        if column not in self.cells:
            raise InputError(self.where, f"want a column {column}", ", ".join(self.cells))
        return self.cells[column]

    def duration(self, column: str) -> float:
        found = number_of(self.text(column), self.where, column)
        if found <= 0:
            raise InputError(self.where, f"{column}: want more than 0", self.text(column))
        return found

    def count(self, column: str, least: int = 1) -> int:
        found = number_of(self.text(column), self.where, column)
        if found != int(found) or found < least:
            raise InputError(self.where, f"{column}: want a whole number, {least} or more", self.text(column))
        return int(found)


def read(path: Path) -> tuple[list[Row], list[str]]:
    """Every usable row of a CSV file, or of those in a folder, and a sentence for each kind that isn't.

    Raises InputError on a file that can't be read and on a cell that isn't what its column holds.
    """
    rows, left = list[Row](), dict[str, int]()
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        for where, cells in csv_rows(file, ()):
            found = _row(_Line(where, cells), file.name)
            if isinstance(found, Row):
                rows.append(found)
            else:
                left[found] = left.get(found, 0) + 1
    return rows, [f"{n} rows left out: {why}" for why, n in sorted(left.items())]


def _row(line: _Line, file: str) -> Row | str:
    if {"silicon_tpot_ms", "system", "isl"} <= line.cells.keys():
        return _served(line)
    if {"latency_s", "tp", "batch"} <= line.cells.keys():
        return _static(line, file)
    return f"{file} has neither silicon_tpot_ms nor latency_s"


def _served(line: _Line) -> Row | str:
    if line.text("mode") != "agg":
        return "prefill and decode on different devices"
    model, precision, system = (line.text(column) for column in ("model_path", "precision", "system"))
    shape, accelerator = _shape(model, _PRECISIONS.get(precision, precision)), system.removesuffix("_sxm")
    if shape is None:
        return f"{model} isn't in the table of models"
    if accelerator not in ACCELERATORS:
        return f"{system} isn't in the table of accelerators"
    concurrency = _CONCURRENCY.search(line.text("silicon_data_source"))
    # Attention may be copied (data parallel) over the devices that share the experts; a copy more than the
    # eight devices of a node are several replicas.
    tensors, experts = (line.count(c, 0) if line.text(c) else 1 for c in ("moe_tp_size", "moe_ep_size"))
    sharing = tensors * experts
    return Row(
        model=model,
        shape=shape,
        accelerator=ACCELERATORS[accelerator],
        devices=max(line.count("tp_size"), sharing if sharing <= 8 else 0),
        layout=f"tp {line.count('tp_size')}, experts {tensors} x {experts}",
        batch=int(concurrency[1]) if concurrency else line.count("batch_size"),
        input_tokens=line.count("isl"),
        output_tokens=line.count("osl"),
        token_ms=line.duration("silicon_tpot_ms"),
        ttft_ms=line.duration("silicon_ttft_ms"),
    )


def _static(line: _Line, file: str) -> Row | str:
    name = _BRACKETED.search(line.text("model"))
    accelerator = next((a for key, a in ACCELERATORS.items() if key in file), None)
    if name is None or accelerator is None:
        return f"{file}: no accelerator in its name, or no model in brackets"
    shape = _shape(name[1], line.text("precision").lower())
    if shape is None:
        return f"{name[1]} isn't in the table of models"
    return Row(
        model=name[1],
        shape=shape,
        accelerator=accelerator,
        devices=line.count("tp"),
        layout=f"tp {line.count('tp')}",
        batch=line.count("batch"),
        input_tokens=line.count("input"),
        output_tokens=line.count("output"),
        token_ms=line.duration("latency_s") * 1000 / line.count("output"),
        ttft_ms=None,
    )


def _shape(model: str, precision: str) -> ModelShape | None:
    """A base model has the shape of its instructed one."""
    shape = shape_of(model) or shape_of(f"{model}-Instruct")
    return None if shape is None else replace(shape, precision=precision)
