"""A list of plain entries to layers: `{kind: linear, units: 10}`; a preset's short form to such a list."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from mnist_trainer import registry
from mnist_trainer.errors import ConfigError, prefixed_problems
from mnist_trainer.hyperparameters import construct_hyperparameters
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.reshape import Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax

Entry = Mapping[str, Any]


def build_list(entries: Sequence[object], path: str) -> list[Layer]:
    """Make the layers of a list; raises one `ConfigError` with the problems of all its entries."""
    layers: list[Layer] = []
    found: list[str] = []
    for index, entry in enumerate(entries):
        try:
            layers.append(build_layer(entry, f"{path}.{index}"))
        except ConfigError as error:
            found += error.problems
    if found:
        raise ConfigError(*found)
    return layers


def mlp_layer_list(hidden: Sequence[int], activation: str, dropout: float, classes: int) -> list[Entry]:
    """List the layers of a multilayer perceptron: flatten, (linear, activation, dropout) …, linear."""
    with prefixed_problems("model.activation: "):
        registry.layers.named(activation)
    entries: list[Entry] = [{"kind": "flatten"}]
    for units in hidden:
        entries += [{"kind": "linear", "units": units}, {"kind": activation}]
        if dropout:
            entries.append({"kind": "dropout", "rate": dropout})
    return [*entries, {"kind": "linear", "units": classes}]


def build_layer(entry: object, path: str) -> Layer:
    """Make one layer from its entry in the list; raises `ConfigError` naming the entry."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("kind"), str):
        raise ConfigError(f"{path}: {entry!r} is not a layer: must be a mapping with a kind, as in {{kind: relu}}")
    kind = entry["kind"]
    with prefixed_problems(f"{path}: "):
        cls = registry.layers.named(kind)
    parameters = {str(name): value for name, value in entry.items() if name != "kind"}
    nested = parameters.get("layers")
    if issubclass(cls, Residual) and isinstance(nested, list):
        parameters["layers"] = build_list(nested, f"{path}.layers")
    with prefixed_problems(f"{path} ({kind}): "):
        return construct_hyperparameters(cls, parameters)


def entry_of(layer: Layer) -> dict[str, Any]:
    """Return the entry that makes such a layer again; raises `ConfigError` for one whose class has no name."""
    kind = next((name for name, cls in registry.layers.items() if cls is type(layer)), None)
    if kind is None:
        raise ConfigError(f"{type(layer).__name__} is registered under no name: register_layer gives it one")
    values = {field.name: getattr(layer, field.name) for field in fields(layer) if field.init}
    if isinstance(layer, Residual):
        values["layers"] = [entry_of(inner) for inner in layer.layers]
    return {"kind": kind} | {name: list(each) if isinstance(each, tuple) else each for name, each in values.items()}


def check_no_softmax_at_end(layers: Sequence[Layer]) -> None:
    """Raise `ConfigError` if the layers end in a softmax of their own."""
    last = max((i for i, layer in enumerate(layers) if not isinstance(layer, Reshape | Dropout)), default=-1)
    if last >= 0 and isinstance(layers[last], Softmax):
        raise ConfigError(
            f"layers.{last} is a softmax at the model's end: leave it out. The loss decides where softmax is computed: "
            "loss=separate puts a softmax layer behind the model, and loss=fused computes it inside the loss, from "
            "the logits; a softmax of the model's own would be a second one"
        )
