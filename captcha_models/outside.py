"""Objects from outside the project: `module:NAME`, `file.py:NAME`, or an entry point's name."""

import sys
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from captcha_models.errors import InputError, one_line


def entry_names(group: str) -> tuple[str, ...]:
    """Names of the installed packages' entry points of a group, sorted."""
    return tuple(sorted(entry_points(group=group).names))


def load_object(ref: str, group: str) -> Any:
    """The object that a reference names.

    Args:
        ref: `module:NAME`, `file.py:NAME`, or the name of an entry point of the group. Modules are
            looked for in the working directory too, as `python -m` does.
        group: of entry points.

    Raises:
        InputError: no such file, module or name, or its code fails.
    """
    place, colon, name = ref.rpartition(":")
    if ref.endswith(".py"):
        raise InputError(f"{ref}: write file.py:NAME or module:NAME")
    if not colon:
        place, name = next(e.value for e in entry_points(group=group, name=ref)).split(":")
    try:
        module = _load_file(place) if place.endswith(".py") else _import(place)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{ref}: {place} cannot be loaded: {one_line(error)}") from None
    if not hasattr(module, name):
        known = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
        raise InputError(f"{ref}: {place} has no {name!r}; it has {known}")
    return getattr(module, name)


def absolute(ref: str) -> str:
    """The reference, found from other working directories too: `file.py` by its whole path."""
    place, colon, name = ref.rpartition(":")
    return f"{Path(place).resolve()}:{name}" if colon and place.endswith(".py") else ref


def _load_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise InputError(f"no file {place}: give file.py:NAME")
    # One module a file, under a name that no other module has.
    name = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, path)
        assert spec and spec.loader
        sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _import(place: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return import_module(place)
