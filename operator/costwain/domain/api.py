"""What every custom resource type shares: strict values, and rules said once for CEL and for Python."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from costwain.domain.money import DECIMAL_PATTERN

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Rule:
    """A rule over several fields: `cel` for the API server, `holds` for everybody else, one sentence for both.

    The message may name fields of the object in braces; both sides put what they found there.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]

    def found(self, value: "Api") -> str:
        """The sentence with the values found in it."""
        return _PLACEHOLDER.sub(lambda m: str(getattr(value, _snake(m[1]))), self.message)

    def as_cel(self) -> dict[str, str]:
        """The entry of x-kubernetes-validations."""
        if not _PLACEHOLDER.search(self.message):
            return {"rule": self.cel, "message": self.message}
        # Not `+ string(...)`: the API server can't bound what string() returns and refuses that as too costly.
        template = _PLACEHOLDER.sub("%s", self.message.replace("%", "%%"))
        fields = ", ".join(f"self.{name}" for name in _PLACEHOLDER.findall(self.message))
        return {"rule": self.cel, "messageExpression": f"'{template}'.format([{fields}])"}


class Api(BaseModel):
    """A value of the API: frozen, camelCase outside, unknown fields refused, its rules checked on arrival."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)
    rules: ClassVar[tuple[Rule, ...]] = ()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """pydantic's own without what these types don't have (extra and private fields); it is a third of the time."""
        if deep:
            return super().model_copy(update=update, deep=deep)
        fields = update or {}
        twin = type(self).__new__(type(self))
        object.__setattr__(twin, "__dict__", {**self.__dict__, **fields})
        object.__setattr__(twin, "__pydantic_fields_set__", {*self.__pydantic_fields_set__, *fields})
        object.__setattr__(twin, "__pydantic_extra__", None)
        object.__setattr__(twin, "__pydantic_private__", None)
        return twin

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise ValueError(rule.found(self))
        return self


def later(field: str) -> Rule:
    """The rule for a field that is declared but doesn't act yet: it is refused, never ignored in silence."""
    return Rule(f"!has(self.{field})", f"{field}: not supported yet", lambda v: getattr(v, _snake(field)) is None)


def later_value(field: str, value: str) -> Rule:
    """The rule for a choice that is declared but doesn't act yet."""
    return Rule(
        f"!has(self.{field}) || self.{field} != '{value}'",
        f"{field}: {value} is not supported yet",
        lambda v: getattr(v, _snake(field)) != value,
    )


def _snake(field: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "_" + m[1].lower(), field)


Money = Annotated[str, StringConstraints(pattern=DECIMAL_PATTERN, max_length=19)]
Score = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6})?$", max_length=13)]
Factor = Annotated[  # above 0, at most 100
    str,
    StringConstraints(pattern=r"^(100(\.0{1,6})?|[1-9][0-9]?(\.[0-9]{1,6})?|0\.0{0,5}[1-9][0-9]{0,5})$", max_length=10),
]
Count = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6})?[KMBT]?$", max_length=14)]
Quantity = Annotated[str, StringConstraints(pattern=r"^\d{1,15}(\.\d{1,6})?([kMGTP]i?|m)?$", max_length=32)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
Text = Annotated[str, StringConstraints(max_length=1024)]
ShortText = Annotated[str, StringConstraints(max_length=253)]
Timestamp = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$", max_length=32)]
Labels = Annotated[dict[ShortText, ShortText], Field(max_length=64)]

_SUFFIXES = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def count_of(text: str) -> int:
    """The whole number behind a count such as a model's parameters.

    >>> count_of("32.8B")
    32800000000
    """
    digits, factor = (text[:-1], _SUFFIXES[text[-1]]) if text[-1] in _SUFFIXES else (text, 1)
    return round(Decimal(digits) * factor)


class SecretKeyRef(Api):
    """One key of a Secret in the same namespace."""

    name: ShortText = Field(description="Name of the Secret.")
    key: ShortText = Field(description="Key within the Secret.")


class SecretRef(Api):
    """A Secret in the same namespace."""

    name: ShortText = Field(description="Name of the Secret.")


class EnvVar(Api):
    """An environment variable of the engine container."""

    name: ShortText = Field(description="Name of the variable.")
    value: Text = Field("", description="Its value; secrets belong into a Secret, not here.")


class Toleration(Api):
    """A toleration as in a pod spec."""

    key: ShortText | None = Field(None, description="Taint key; absent with operator Exists matches every taint.")
    operator: ShortText | None = Field(None, description="Exists or Equal.")
    value: ShortText | None = Field(None, description="Taint value for Equal.")
    effect: ShortText | None = Field(None, description="NoSchedule, PreferNoSchedule or NoExecute; absent means all.")


class Condition(Api):
    """A standard Kubernetes condition."""

    type: ShortText = Field(description="Name of the condition.")
    status: ShortText = Field(description="True, False or Unknown.")
    reason: ShortText = Field(description="Machine-readable reason in CamelCase.")
    message: Annotated[str, StringConstraints(max_length=4096)] = Field("", description="One sentence for a person.")
    observed_generation: int = Field(0, ge=0, description="Generation of the spec that this speaks of.")
    last_transition_time: ShortText = Field("", description="When the status last changed.")
