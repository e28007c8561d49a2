"""`costwain estimate`: what one replica of a model carries on an accelerator, with the arithmetic of the prior."""

import difflib
import json
import math
from dataclasses import replace
from typing import Any, get_args

import click
from pydantic import ValidationError

from costwain.cli.estimate_lines import Asked, figures, lines
from costwain.decide.capacity import DoesNotFit, RequestShape, Slo, capacity
from costwain.decide.parallel import split_refused
from costwain.decide.shapes import own_shape
from costwain.domain.hardware import ACCELERATORS
from costwain.domain.models import KNOWN_MODELS, ModelShape, shape_of
from costwain.domain.money import micro_of
from costwain.domain.variant import Precision, Shape


class _Finite(click.FloatRange):
    """A range that holds no NaN and no infinity either; click compares, and NaN is neither below nor above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found


_TOKENS = _Finite(min=1, max=1e9)
_MILLISECONDS = _Finite(min=0, min_open=True)
_OPTIONS = (
    click.option("--model", required=True, help="hf://ORG/MODEL of the table of known models, or a name with --shape."),
    click.option("--shape", help='JSON of a variant\'s "shape", for a model that the table lacks.'),
    click.option("--precision", type=click.Choice(get_args(Precision)), help="Other than the model's own."),
    click.option("--accelerator", required=True, type=click.Choice(sorted(ACCELERATORS)), help="Hardware."),
    click.option("--count", type=click.IntRange(1, 64), default=1, show_default=True, help="Accelerators a replica."),
    click.option("--input", "input_", type=_TOKENS, default=512, show_default=True, help="Tokens of a mean prompt."),
    click.option("--output", "answer", type=_TOKENS, default=128, show_default=True, help="Tokens of a mean answer."),
    click.option("--ttft-ms", type=_MILLISECONDS, default=2000, show_default=True, help="SLO of the first token."),
    click.option("--tpot-ms", type=_MILLISECONDS, default=50, show_default=True, help="SLO of each token after it."),
    click.option("--percentile", type=click.IntRange(50, 99), default=95, show_default=True, help="In time, of 100."),
    click.option("--price", help="Dollars an accelerator-hour, to say what requests and tokens cost."),
    click.option("-o", "form", type=click.Choice(["json"]), help="The figures for a program."),
)


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@_with_options
def estimate(model: str, accelerator: str, count: int, form: str | None, **given: Any) -> None:
    """Say what one replica carries, step by step, or why it doesn't fit (exit code 1)."""
    asked = Asked(
        shape=_shape(model, given["shape"], given["precision"]),
        accelerator=ACCELERATORS[accelerator],
        count=count,
        request=RequestShape(given["input_"], given["answer"]),
        slo=Slo(given["ttft_ms"] / 1000, given["tpot_ms"] / 1000, given["percentile"] / 100),
        hourly_micro=_price(given["price"]),
    )
    if refused := split_refused(asked.shape, asked.accelerator, count):
        raise click.UsageError(f"--count: {refused}")
    found = capacity(asked.shape, asked.accelerator, count, asked.request, asked.slo)
    if isinstance(found, DoesNotFit):
        raise click.ClickException(found.sentence)
    click.echo(json.dumps(figures(asked, found), indent=2) if form == "json" else "\n".join(lines(asked, found)))


def _shape(model: str, own: str | None, precision: str | None) -> ModelShape:
    try:
        if own is not None:
            found = own_shape(model.rpartition("/")[2].lower(), Shape.model_validate_json(own))
        else:
            known = shape_of(model)
            if known is None:
                raise click.UsageError(f"--model: want one of the table or a --shape (found {model!r}){_near(model)}")
            found = known
        return found if precision is None else replace(found, precision=precision)
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(f"--shape: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}") from None
    except ValueError as error:
        raise click.UsageError(f"--shape: {error}") from None


def _near(model: str) -> str:
    """Known models whose names are alike."""
    alike = difflib.get_close_matches(model.removeprefix("hf://"), KNOWN_MODELS, n=4)
    return f"; near it are {', '.join(alike)}" if alike else ""


def _price(text: str | None) -> int | None:
    try:
        return None if text is None else micro_of(text)
    except ValueError as error:
        raise click.UsageError(f"--price: {error}") from None
