"""Who may import whom: the rooms of the package, as DESIGN lists them, read from the sources."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import mnist_trainer

PACKAGE = Path(mnist_trainer.__file__).parent
FILES = {
    ".".join(["mnist_trainer", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "conf" not in path.relative_to(PACKAGE).parts[:1]
}

# all may import these
LEAVES = {"errors", "slips", "files", "words", "bar", "hyperparameters", "credentials", "process"}
NUMERICS = {"kernels", "layers", "losses", "optimizers", "schedules", "parameter_files", "sealed", "model", "data"}
MADE = {"registry", "layer_list", "config", "presets", "complaints", "composition", "build", "data_sets"}
BUILT = NUMERICS | MADE | {"inference", "training"}
RUNS = BUILT | {"journal", "shipping", "runs"}
# each room, and the rooms that it may import
ROOMS = {
    "__init__": set(),
    **{leaf: set() for leaf in LEAVES},
    "kernels": set(),
    "layers": {"kernels"},
    "losses": {"kernels"},
    "optimizers": {"kernels"},
    "schedules": set(),
    "parameter_files": {"kernels"},
    "sealed": {"parameter_files"},
    "model": {"kernels", "layers"},
    "registry": {"layers", "losses", "optimizers", "schedules"},
    "layer_list": {"layers", "registry"},
    "data": {"kernels"},
    "inference": NUMERICS | {"registry", "layer_list"},
    "training": NUMERICS,
    "figures": set(),
    "journal": {"training"},
    "shipping": {"inference", "journal", "figures", "sealed"},
    "data_sets": {"data", "registry", "config"},
    "config": {"data", "losses", "optimizers", "schedules"},
    "presets": {"config"},
    "complaints": {"config", "presets"},
    "composition": {"config", "build", "presets", "complaints"},
    "build": BUILT - {"composition", "build", "presets", "complaints"},
    "runs": RUNS - {"runs"},
    "analysis": RUNS | {"figures"},
    "sweeps": RUNS | {"figures"},
    "tasks": RUNS | {"figures", "analysis", "sweeps"},
    "api": RUNS | {"analysis", "tasks"},
    "__main__": {"complaints", "composition", "runs", "sweeps", "tasks", "training"},
}
NUMPY_ONLY = {
    "parameter_files",
    "sealed",
    "kernels",
    "layers",
    "losses",
    "optimizers",
    "schedules",
    "model",
    "registry",
    "layer_list",
}
# modules that the training process loads never import mlflow, not even within a function
MLFLOW = {
    f"mnist_trainer.shipping.{name}" for name in ("fetched", "model", "outbox", "packed_model", "registration", "store")
}
NEVER = {"sklearn", "pandas", "torch", "scipy", "tensorflow", "jax"}


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@cache
def imported(module):
    """All that a module imports, at its top or within a function, by full name; the project's own as modules."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            own = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= own & FILES.keys() or {node.module}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def foreign(module):
    """The top-level names of the packages from elsewhere that a module imports."""
    names = {name.split(".")[0] for name in imported(module)}
    return names - set(sys.stdlib_module_names) - {"mnist_trainer"}


def test_the_sources_are_found_and_every_room_has_its_rule():
    assert {"mnist_trainer", "mnist_trainer.kernels.affine", "mnist_trainer.tasks.train"} <= FILES.keys()
    assert {room(module) for module in FILES} <= ROOMS.keys()


def test_the_rules_have_no_circle():
    placed = set(LEAVES)
    left = {name: needs - placed for name, needs in ROOMS.items() if name not in placed}
    while left:
        free = {name for name, needs in left.items() if not needs - {name}}
        assert free, f"a circle among {sorted(left)}"
        left = {name: needs - free for name, needs in left.items() if name not in free}


def test_no_file_imports_itself_by_way_of_others():
    """Not even under TYPE_CHECKING: who reads one file of a circle has to read all of them."""
    left = {module: (imported(module) & FILES.keys()) - {module} for module in FILES}
    while left:
        free = [module for module, needs in left.items() if not needs & left.keys()]
        assert free, f"each of these needs another: {sorted(circle(left))}"
        for module in free:
            del left[module]


def circle(left):
    """The modules of one circle among those of which each needs another."""
    path = [min(left)]
    while path.count(path[-1]) == 1:
        path.append(min(left[path[-1]] & left.keys()))
    return path[path.index(path[-1]) :]


def test_training_needs_nothing_that_is_said_of_it():
    """Whatever a run loads: its room's own rule holds for one arrow alone."""
    reached, left = set(), {"mnist_trainer.tasks.train"}
    while left:
        module = left.pop()
        reached.add(module)
        left |= (imported(module) & FILES.keys()) - reached
    assert {room(module) for module in reached} & {"analysis", "sweeps", "api"} == set()


SIGNED = [module for module, path in FILES.items() if path.name == "__init__.py" and module != "mnist_trainer"]


@pytest.mark.parametrize("module", SIGNED)
def test_a_room_s_sign_names_each_of_its_files(module):
    sign = ast.get_docstring(ast.parse(FILES[module].read_text())) or ""
    own = {path.stem for path in FILES[module].parent.glob("*.py")} - {"__init__"}
    own |= {path.parent.name for path in FILES[module].parent.glob("*/__init__.py")}
    named = set(re.findall(r"`(\w+)(?:\.py|/)?`", sign))
    assert own <= named, f"{FILES[module]}: {', '.join(sorted(own - named))} not named"


@pytest.mark.parametrize("module", FILES)
def test_imports_point_up_the_list_of_rooms(module):
    own = {room(name) for name in imported(module) if name.split(".")[0] == "mnist_trainer"}
    here = room(module)
    assert own <= ROOMS[here] | LEAVES | {here, "__init__"}


@pytest.mark.parametrize("module", [module for module in FILES if room(module) in NUMPY_ONLY])
def test_the_numerics_need_numpy_alone(module):
    assert foreign(module) <= {"numpy"}


def test_only_figures_import_matplotlib():
    assert {room(module) for module in FILES if "matplotlib" in foreign(module)} == {"figures"}
    assert set().union(*(foreign(m) for m in FILES if room(m) == "figures")) <= {"numpy", "matplotlib"}


def test_only_the_shipper_s_side_imports_mlflow():
    assert {module for module in FILES if "mlflow" in foreign(module)} == MLFLOW


def test_only_drawing_and_tasks_import_figures():
    importers = {m for m in FILES if "figures" in {room(name) for name in imported(m) if name.startswith("mnist_")}}
    others = {m for m in importers if room(m) not in {"figures", "tasks"}}
    analysis = {f"mnist_trainer.analysis.{name}" for name in ("comparison.files", "explanation.handout")}
    assert others <= {"mnist_trainer.shipping.pictures"} | analysis


def test_nobody_imports_another_machine_learning_library():
    found = {module: foreign(module) & NEVER for module in FILES if foreign(module) & NEVER}
    assert found == {"mnist_trainer.sweeps.estimate": {"scipy"}}  # Student's t, at a sweep's end


def test_only_configuration_knows_hydra():
    knows = {room(module) for module in FILES if foreign(module) & {"hydra", "omegaconf"}}
    assert knows <= {"config", "complaints", "composition", "presets", "runs", "sweeps", "tasks", "__main__"}


HEAVY = ["optuna", "mlflow", "matplotlib", "sklearn", "pandas", "scipy", "torch", "PIL", "sqlalchemy"]


@pytest.mark.parametrize(
    "module",
    ["mnist_trainer", "mnist_trainer.tasks.train", "mnist_trainer.journal.callback", "mnist_trainer.shipping.shipper"],
)
def test_the_training_path_loads_nothing_heavy(module):
    code = f"import json, sys, {module}; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert json.loads(done.stdout) == []
