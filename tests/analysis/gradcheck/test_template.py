"""The template in gradcheck's README: it runs, is right, and her code in its place is told what the README says."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_trainer
from mnist_trainer.api import check_gradients

README = (Path(mnist_trainer.__file__).parent / "analysis" / "gradcheck" / "README.md").read_text()
BLOCKS = {
    match[1]: match[0].removeprefix("```python\n")
    for match in re.finditer(r"```python\n# (\w+\.py)\n.*?(?=^```)", README, re.MULTILINE | re.DOTALL)
}
HOMEWORK = '''
class SoftmaxLoss:
    """
    A batched softmax loss, used for classification problems.
    input[0] (the prediction) = np.array of dims batch_size x 10
    input[1] (the truth) = np.array of dims batch_size x 10
    """
    @staticmethod
    def softmax(input):
        exp = np.exp(input - np.max(input, axis=1, keepdims=True))
        return exp / np.sum(exp, axis=1, keepdims=True)

    @staticmethod
    def forward(inputs):
        softmax = SoftmaxLoss.softmax(inputs[0])
        labels = inputs[1]
        return np.mean(-np.sum(labels * np.log(softmax), axis=1))

    @staticmethod
    def backward(inputs, gradient):
        softmax = SoftmaxLoss.softmax(inputs[0])
        return [
            gradient * (softmax - inputs[1]) / inputs[0].shape[0],
        ]


class SoftMax(NetNode):
    def __init__(self, x):
        ex = np.exp(x.data - np.max(x.data, axis=1, keepdims=True))
        super().__init__(ex / np.sum(ex, axis=1, keepdims=True), x)

    def _back(self, x):
        g = self.data * (np.eye(self.data.shape[0]) - self.data)
        x.g += self.g * g
        super()._back()


class Answer(SoftMax):
    def _back(self, x):
        x.g += self.g * (self.data * (1. - self.data))
        NetNode._back(self)


class LCE(NetNode):
    def __init__(self, p, t):
        super().__init__(
            np.mean(-np.sum(t.data * np.log(p.data), axis=1)),
            p, t
        )

    def _back(self, p, t):
        p.g += self.g * (p.data - t.data) / t.data.shape[0]
        t.g += self.g * -np.log(p.data) / t.data.shape[0]
        super()._back()
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("template")
    for name, block in BLOCKS.items():
        (path / name).write_text(block)
    head = BLOCKS["my_nodes.py"].partition("\n\n\nclass SoftMax")[0]
    (path / "hers.py").write_text(head + "\n\n" + HOMEWORK)
    return path


def test_the_template_runs_and_all_four_are_exact(folder):
    done = subprocess.run(
        [sys.executable, "my_nodes.py"], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^exact: ", done.stdout, re.MULTILINE)) == 4
    assert "not exact" not in done.stdout


def test_her_own_classes_are_told_what_the_readme_says(folder):
    hers = runpy.run_path(str(folder / "hers.py"))
    rng = hers["np"].random.default_rng(0)
    z, labels = rng.standard_normal((6, 10)), rng.integers(0, 10, 6)
    t, p = hers["np"].eye(10)[labels], hers["SoftmaxLoss"].softmax(z)
    homework = check_gradients(hers["SoftmaxLoss"], z, t)
    assert homework.exact
    assert "right only for targets whose rows sum to 1" in homework.notes[0]
    assert any("inf or nan from a gap of 104 on" in note for note in homework.notes)
    softmax = "\n".join(check_gradients(hers["SoftMax"], z).faults)
    assert "backward, 6 images: ValueError" in softmax
    assert "SoftMax, 10 images: the backward of softmax is dp ⊙ (p ⊙ (I_N − p)): the identity has the size" in softmax
    lce = check_gradients(hers["LCE"], p, t)
    assert "the derivative with respect to the logits, with the softmax in it already" in "\n".join(lce.faults)
    assert {check.verdict for check in lce.checks if "dL/d targets" in check.what} == {"exact"}
    assert "only the diagonal of the Jacobian" in "\n".join(check_gradients(hers["Answer"], z).faults)


@pytest.mark.long
def test_the_templates_loss_trains_with_a_softmax_of_its_own_and_is_checked(command, folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    own = ("data=digits", "model=linear", "tracking=off", "plugins=[my_losses]", "loss=custom", "loss.name=mine")
    assert command(*own, "epochs=1").code == 0
    done = command(*own, "task=gradcheck", "task.samples=2")
    assert done.code == 0, done.output
    assert "backward adds to what the last call left" in " ".join(done.output.split())
