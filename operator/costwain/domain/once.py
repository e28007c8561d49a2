"""Savings on frozen values: what follows from one is worked out once, and a changed copy keeps what was.

A thousand fleets are decided on in a turn, and nearly all that is known of a fleet was so in the turn before. No result
rests on what is remembered here: the functions are pure and the values never change.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")
Result = TypeVar("Result")


class lazy(Generic[Result]):  # noqa: N801 - it reads as the decorator that it is, like property
    """`functools.cached_property` without its lock, which costs more than most of what is worked out here."""

    def __init__(self, function: Callable[[Any], Result]) -> None:
        self._function, self.__doc__ = function, function.__doc__
        self._name = function.__name__

    @overload
    def __get__(self, value: None, kind: type) -> "lazy[Result]": ...

    @overload
    def __get__(self, value: object, kind: type) -> Result: ...

    def __get__(self, value: object, kind: type) -> "lazy[Result] | Result":
        if value is None:
            return self
        found = value.__dict__[self._name] = self._function(value)
        return found


def once(most: int) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Remembers what a pure function gave for its first argument, a frozen value, and hashable others.

    It goes by identity: comparing a whole spec would cost more than it saves. The value is kept with the result, so no
    other one can come to lie at its address. Beyond `most` the oldest is forgotten, one at a time: to free thousands at
    once would take a turn's decision as long as ten fleets do.
    """

    def remembering(function: Callable[..., Result]) -> Callable[..., Result]:
        known = OrderedDict[tuple[Hashable, ...], tuple[object, Result]]()

        @wraps(function)
        def asked(value: object, *rest: Hashable) -> Result:
            key = (id(value), *rest)
            found = known.get(key)
            if found is None:
                if len(known) >= most:
                    known.popitem(last=False)
                found = known[key] = (value, function(value, *rest))
            return found[1]

        return asked

    return remembering


def changed(value: Value, **fields: object) -> Value:
    """`dataclasses.replace` without its checks, which keeps cached properties too.

    Right only for values that check nothing on arrival, and fields on which no cached property rests.

    >>> from costwain.domain.plan import Why
    >>> changed(Why("Idle", "no requests"), code="Serves")
    Why(code='Serves', sentence='no requests')
    """
    twin = object.__new__(type(value))
    twin.__dict__.update(value.__dict__, **fields)
    return twin
