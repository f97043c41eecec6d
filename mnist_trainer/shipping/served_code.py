"""The package's own code that a served model needs, read from the imports; a plugin's along with it."""

import ast
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import mnist_trainer
from mnist_trainer.errors import DataError, error_reason

PACKAGE = Path(mnist_trainer.__file__).parent
LOADER = "mnist_trainer.inference.served"
PLUGIN_API = "mnist_trainer.inference.plugin_api"
API = "api.py"  # what a plugin imports it as


def copy_code(target: Path, plugins: Sequence[Path]) -> list[Path]:
    """Copy what is served into a folder; return the paths there that Python's path wants the folder of.

    Raises `DataError` for a plugin that can't go along.
    """
    modules = import_closure([LOADER, PLUGIN_API] if plugins else [LOADER])
    for module in modules:
        copy = target / module_file(module).relative_to(PACKAGE.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module_file(module), copy)
    paths = [target / PACKAGE.name]
    if plugins:
        shutil.copyfile(module_file(PLUGIN_API), paths[0] / API)
    known = set(modules) | {"mnist_trainer.api"}
    for plugin in plugins:
        check_plugin(plugin, known, {each.stem for each in plugins})
        copy = target / plugin.name
        if plugin.is_dir():
            shutil.copytree(plugin, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(plugin, copy)
        paths.append(copy)
    return paths


def import_closure(modules: Sequence[str]) -> list[str]:
    """Return these modules of the package, and all that they import as they are loaded, their packages' signs too."""
    found: dict[str, None] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found[module] = None
        parent = module.rpartition(".")[0]
        waiting += [parent] * bool(parent)
        waiting += [name for name in imported_modules(module_file(module)) if name.partition(".")[0] == PACKAGE.name]
    return sorted(found)


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports at its top; of `from a import b` a.b, where that is a module of ours."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (name for alias in node.names if is_package_module(name := f"{node.module}.{alias.name}"))


def is_package_module(module: str) -> bool:
    """Tell whether a name is that of a module of the package."""
    parts = module.split(".")
    place = PACKAGE.parent.joinpath(*parts)
    return parts[0] == PACKAGE.name and (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file())


def module_file(module: str) -> Path:
    """Return the file of a module of the package."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def check_plugin(plugin: Path, known: set[str], beside: set[str]) -> None:
    """Raise `DataError` if a plugin is gone, or imports what is not there where a model is served."""
    files = sorted(plugin.rglob("*.py")) if plugin.is_dir() else [plugin]
    for file in files:
        try:
            names = set(imported_modules(file))
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"the plugin {file} can't be read: {error_reason(error)}") from error
        for name in names:
            top = name.partition(".")[0]
            if name not in known and top not in {"numpy", *sys.stdlib_module_names, *beside}:
                raise DataError(f"the plugin {file} imports {name}, which is not there where a model is served")
