"""What a run's page begins with."""

import json
import shlex

import pytest

from mnist_trainer.journal.events import DESCRIPTION, Confusion, End
from mnist_trainer.journal.reading import read_journal
from mnist_trainer.shipping.description import description_of, model_description


@pytest.fixture
def described(begin):
    """Describe a run with this end; `more` writes into its journal before."""

    def describe(status="FINISHED", reason=None, more=lambda journal: None, command="python -m mnist_trainer", **start):
        journal = begin("a", **start)
        journal.params({"loss.name": "fused", "data.name": "mnist", "optimizer.lr": 0.1, "model.parameters": 1234567})
        journal.tags({"command": command})
        more(journal)
        end = End(status, reason)
        return description_of(journal.folder, read_journal(journal.folder), end)

    return describe


def trained(journal):
    for step, held in ((10, 0.9), (20, 0.95), (30, 0.95)):
        journal.metrics(step, {"train/loss": 1 / step, "train/accuracy": held})
        journal.metrics(step, {"validation/loss": 1 / step, "validation/accuracy": held, "epoch_seconds": 1.5})
    journal.metrics(30, {"test/loss": 0.0459, "test/accuracy": 0.75})
    journal.write(Confusion([[2, 2, 0], [0, 4, 0], [0, 0, 4]], ["zero", "one", "two"]))


def command_in(text):
    """The words of a description's command, as a shell reads them."""
    block = text.split("```")[1].strip("\n")
    assert all(len(line) <= 64 or " " not in line.strip() for line in block.replace(" \\\n", "\n").splitlines())
    return shlex.split(block.replace("\\\n", ""))


def test_a_result_is_told_in_a_sentence_then_in_tables(described):
    text = described(more=trained)
    first, *lines = text.splitlines()
    assert first == "**Test accuracy 75.00%, loss 0.0459** (fused on mnist); best validation accuracy 95.00%."
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert ["validation, best", "30", "0.0333", "95.00%"] in cells  # of equal accuracies the smaller loss
    assert ["test", "30", "0.0459", "75.00%"] in cells
    assert ["zero", "4", "100.00%", "50.00%"] in cells
    assert ["one", "4", "66.67%", "100.00%"] in cells
    assert "1,234,567 parameters; 3 epochs in 4.5 s." in lines


def test_the_next_command_of_a_result_asks_for_more_seeds_with_both_modes(described):
    text = described(more=trained, command="python -m mnist_trainer loss=separate 'model.hidden=[8, 8]' seed=3")
    words = command_in(text)
    assert words[3:] == ["--multirun", "model.hidden=[8, 8]", "loss=fused,separate", "seed=0,1,2,3,4"]


def test_a_divergence_is_told_with_its_reason_and_a_smaller_learning_rate(described):
    text = described(
        "FAILED",
        "diverged at step 12: the loss is nan",
        more=lambda journal: journal.metrics(11, {"train/loss": 1.7e29, "train/accuracy": 0.1}),
        command="python -m mnist_trainer optimizer.lr=0.1 ++trainer.clip_norm=null",
    )
    assert "1.70e+29" in text
    assert text.startswith("**Failed**: diverged at step 12: the loss is nan")
    assert command_in(text)[3:] == ["optimizer.lr=0.01", "trainer.clip_norm=auto"]


def test_a_run_that_was_stopped_tells_how_to_go_on(described, tmp_path):
    text = described("KILLED", "interrupted by SIGINT", more=trained)
    assert text.startswith("**Stopped**: interrupted by SIGINT")
    assert command_in(text)[3:] == [f"resume={tmp_path / 'outputs' / 'a'}"]


def test_a_job_s_next_command_is_its_sweep_s(described):
    assert "```" not in described("KILLED", "interrupted by SIGINT", parent="b1")


def test_a_sweep_s_own_description_is_left_as_it_is(described):
    assert described("FAILED", "killed", kind="sweep", more=lambda journal: journal.tags({DESCRIPTION: "own"})) is None


def test_a_sweep_that_died_says_so(described):
    assert described("FAILED", "killed", kind="sweep") == "**Failed**: killed"


def test_a_model_s_page_begins_with_its_result_and_tells_how_it_is_asked(begin):
    journal = begin("a")
    journal.params({"loss.name": "fused", "data.name": "mnist"})
    trained(journal)
    text = model_description(read_journal(journal.folder), "m-0123", (28, 28, 1))
    assert text.startswith("**Test accuracy 75.00%, loss 0.0459** (fused on mnist)")
    compile(text.split("```")[1], "code", "exec")
    assert '"models:/m-0123"' in text
    assert "an array of N × 28 × 28 bytes" in text
    served = shlex.split(text.split("```")[3].replace("\\\n", ""))
    assert served[1:] == [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        "models:/m-0123",
        "--env-manager",
        "local",
        "--port",
        "5001",
    ]


def test_a_job_that_finished_tells_the_command_that_trains_it_alone(described, tmp_path):
    overrides = ["model.hidden=[8, 8]", "optimizer.lr=0.1"]

    def with_outcome(journal):
        trained(journal)
        (journal.folder / "outcome.json").write_text(json.dumps({"overrides": overrides}))

    text = described(more=with_outcome, parent="b1", command="python -m mnist_trainer --multirun optimizer.lr=0.1,1")
    assert command_in(text) == ["python", "-m", "mnist_trainer", *overrides]
