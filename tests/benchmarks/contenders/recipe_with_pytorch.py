"""A recipe in PyTorch, from its launch to its result: `recipes.py` gives it one, as JSON, and times it."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from contenders.cases import drawn_weights
from contenders.with_pytorch import network
from torch import nn
from torch.nn import functional

from mnist_trainer.data.loading import load
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.schedules import OneCycle


def main() -> None:
    """Train, test, and print the accuracy."""
    recipe = SimpleNamespace(**json.loads(sys.argv[1]))
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    data = load("mnist")
    scaling = Scaling.standardised(data.images, torch.arange(len(data.images)).numpy())
    memory = torch.channels_last if recipe.channels_last else torch.contiguous_format

    def inputs(images: torch.Tensor, shift: float = 0.0) -> torch.Tensor:
        x = images.permute(0, 3, 1, 2).float()
        x = (moved(x, shift) if shift else x).mul_(scaling.scale).add_(scaling.shift)
        return x.contiguous(memory_format=memory)

    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels).long()
    model = network(recipe.layers, drawn_weights(recipe.layers, recipe.seed)).to(memory_format=memory)
    optimizer = optimizer_of(recipe, model)
    steps = -(-len(images) // recipe.batch_size)
    schedule = OneCycle(warmup=recipe.warmup)
    schedule.build(recipe.epochs * steps, steps)
    cross_entropy = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    done = 0
    for _ in range(recipe.epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * schedule.factor(done)
            optimizer.zero_grad()
            cross_entropy(model(inputs(images[chosen], recipe.shift)), labels[chosen]).backward()
            optimizer.step()
            done += 1
    test, truth = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels).long()
    with torch.no_grad():
        predicted = torch.cat([model(inputs(x)).argmax(1) for x in test.split(256)])
    right = int((predicted == truth).sum())
    print(f"accuracy {right / len(test):.2%}")


def moved(x: torch.Tensor, shift: float) -> torch.Tensor:
    """Move each image by up to a share of its side, either way."""
    matrices = torch.eye(2, 3).repeat(len(x), 1, 1)
    matrices[:, :, 2] = torch.empty(len(x), 2).uniform_(-2 * shift, 2 * shift)  # the side is from -1 to 1
    return functional.grid_sample(
        x, functional.affine_grid(matrices, list(x.shape), align_corners=False), align_corners=False
    )


def optimizer_of(recipe: SimpleNamespace, model: nn.Module) -> torch.optim.Optimizer:
    """Make the optimizer, of a single kernel; weights decay, biases don't."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr, fused=True)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=True, fused=True)


if __name__ == "__main__":
    main()
