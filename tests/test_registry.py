from dataclasses import dataclass

import pytest

from mnist_trainer import registry
from mnist_trainer.errors import ConfigError
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.optimizers.sgd import SGD


def test_an_unknown_name_is_told_with_the_nearest_and_all_that_there_are():
    with pytest.raises(ConfigError) as caught:
        registry.layers.named("dropuot")
    assert str(caught.value).startswith("unknown kind of layer 'dropuot'; did you mean 'dropout'? (one of: ")
    assert all(kind in str(caught.value) for kind in registry.layers)


@pytest.mark.parametrize(("noun", "mapping"), [("loss", registry.losses), ("optimizer", registry.optimizers)])
def test_each_registry_has_its_noun(noun, mapping):
    with pytest.raises(ConfigError, match=f"unknown {noun} 'x'"):
        mapping.named("x")
    assert len(mapping) == len(list(mapping))


@pytest.mark.parametrize("mapping", [registry.layers, registry.losses, registry.optimizers, registry.schedules])
def test_asking_whether_a_name_is_there_is_no_error(mapping):
    assert all(name in mapping for name in mapping)
    assert "x" not in mapping
    assert mapping.get("x") is None


def test_a_user_s_own_classes_are_found_by_their_names():
    @registry.register_layer("mine")
    @dataclass(eq=False)
    class Mine(ReLU):
        pass

    @registry.register_optimizer("mine")
    @dataclass(eq=False)
    class Own(SGD):
        pass

    assert registry.layers["mine"] is Mine
    assert registry.optimizers["mine"] is Own


def test_registering_again_replaces():
    registry.register_layer("relu")(Softmax)
    assert registry.layers["relu"] is Softmax


def test_the_tail_is_a_softmax_for_probabilities_and_nothing_for_logits():
    assert [type(layer) for layer in registry.tail_layers("separate")] == [Softmax]
    assert registry.tail_layers("fused") == []


def test_a_loss_may_bring_a_tail_of_its_own_and_lose_it_again():
    registry.register_loss("odd", tail=[ReLU, Softmax])(SoftmaxLoss)
    first, second = registry.tail_layers("odd"), registry.tail_layers("odd")
    assert [type(layer) for layer in first] == [ReLU, Softmax]
    assert first[0] is not second[0]  # two models don't share a layer
    registry.register_loss("odd")(SoftmaxLoss)
    assert registry.tail_layers("odd") == []


def test_the_tail_of_an_unknown_loss_is_an_error_too():
    with pytest.raises(ConfigError, match="unknown loss 'fusde'; did you mean 'fused'"):
        registry.tail_layers("fusde")
