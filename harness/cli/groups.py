"""Groups of options: a verb takes a dataclass of them, typer sees its fields.

Options that several verbs share are declared once, as a dataclass whose fields are annotated for typer::

    @dataclass(kw_only=True)
    class Reading:
        max_seconds: Annotated[float, typer.Option("--max-seconds", help="Longer clips cannot be used.")] = 60.0

    @grouped
    def verb(reading: Reading) -> None: ...
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` with every parameter that is a dataclass replaced by its fields, for typer.

    Args:
        verb: A function whose parameters are single options, or dataclasses of options with unique names.

    Returns:
        A function of the single options, by name, that builds the dataclasses and calls ``verb``.
    """
    hints = get_type_hints(verb, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(verb).parameters.items():
        kind = hints[name]
        if dataclasses.is_dataclass(kind):
            groups[name] = kind
            parameters += _fields(kind)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind))

    @functools.wraps(verb)
    def call(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
        verb(**values)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del call.__wrapped__  # the signature is this one
    return call


def _fields(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]
