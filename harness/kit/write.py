"""Write a package from the templates: a predictor or a task, with its entry point, tests and a page."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.choices import PackageKind, Written
from ..core.errors import UsageError
from ..core.files import atomic_write, check_name
from ..core.guard import guard_folder
from .examples import onnx_example, torchscript_example

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Kind:
    """What a kind of predictor has beside its code.

    Attributes:
        needs: Requirements besides mosharness.
        model: Name of the file of its model; empty for none.
        example: Makes the model that lies there until the author puts in the real one.
        further: Files of the package's folder beside those of every kind: template to name.
    """

    needs: tuple[str, ...] = ()
    model: str = ""
    example: Callable[[], bytes] | None = None
    further: tuple[tuple[str, str], ...] = ()


KINDS: dict[PackageKind, Kind] = {
    "formula": Kind(),
    "onnx": Kind(("onnxruntime>=1.20",), "model.onnx", onnx_example),
    "torchscript": Kind((), "model.pt", torchscript_example),
    "package": Kind(),
    "endpoint": Kind(further=(("server.py", "server.py"),)),
}


def module_of(name: str) -> str:
    """The module of a package that is called ``name``; no module of another package is called so.

    Example:
        >>> module_of("my-mos.v2")
        'mosharness_my_mos_v2'
    """
    return "mosharness_" + re.sub(r"[.-]", "_", name)


def class_of(name: str) -> str:
    """The class of a package that is called ``name``.

    Example:
        >>> class_of("my-mos"), class_of("2fast")
        ('MyMos', 'The2fast')
    """
    words = "".join(part[:1].upper() + part[1:] for part in re.split(r"[._-]+", name))
    return words if words[:1].isalpha() else f"The{words}"


def write_package(what: Written, name: str, folder: Path, kind: PackageKind = "formula") -> list[Path]:
    """Write a package; nothing that is there already is replaced.

    Args:
        what: A predictor or a task.
        name: Its registry name.
        folder: Where the package goes: absent, or an empty folder.
        kind: What a predictor computes its scores by.

    Returns:
        The files, in the order in which they are worth reading.

    Raises:
        UsageError: For a name that will not do, or a folder that holds something.
    """
    check_name(name, f"{what} name")
    if not name[-1].isalnum():
        raise UsageError(f"{what} name {name!r} will not do: end with a letter or digit, as names of packages do")
    guard_folder(folder, "--output")
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already and is not empty; give another name, or another --output")
    values = {"name": name, "module": module_of(name), "Class": class_of(name), "needs": "", "data": ""}
    files: dict[str, str | bytes] = {}
    if what == "predictor":
        chosen = KINDS[kind]
        values["needs"] = "".join(f', "{need}"' for need in chosen.needs)
        values["data"] = f'\n[tool.setuptools.package-data]\n"*" = ["{chosen.model}"]\n' if chosen.model else ""
        values["kind"] = filled(f"predictor/{kind}.md", values)
        code = filled(f"predictor/{kind}.py", values)
        files = {place: filled(f"predictor/{template}", values) for template, place in chosen.further}
        if chosen.example is not None:
            files[f"{values['module']}/{chosen.model}"] = chosen.example()
    else:
        code = filled("task/task.py", values)
    tests = "test_endpoint.py" if (what, kind) == ("predictor", "endpoint") else "test.py"
    files = {
        f"{values['module']}/__init__.py": code,
        f"tests/test_{values['module']}.py": filled(f"{what}/{tests}", values),
        "pyproject.toml": filled(f"{what}/pyproject.toml", values),
        "README.md": filled(f"{what}/README.md", values),
        **files,
    }
    for place, content in files.items():
        with atomic_write(folder / place, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
    return [folder / place for place in files]


def filled(template: str, values: dict[str, str]) -> str:
    """A template with its names filled in: ``{{name}}``, ``{{module}}``, ``{{Class}}``."""
    text = (TEMPLATES / f"{template}.tmpl").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)
