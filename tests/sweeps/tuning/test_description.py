"""MLflow's page of a tuned sweep."""

from dataclasses import asdict
from pathlib import Path

import pytest

from mnist_trainer.runs.folder import OutcomeEnding
from mnist_trainer.sweeps.jobs import Job
from mnist_trainer.sweeps.tuning.description import study_description
from mnist_trainer.sweeps.tuning.record import StudyRecord, TrialRecord

FOLDER = Path("/sweeps/mine")


@pytest.fixture
def study():
    """Make a study of finished trials with these values, each a job of this sweep."""

    def make(*values, objectives=("validation/loss",), state="COMPLETE"):
        trials = [
            TrialRecord(number, state, {"optimizer.lr": 0.123456789}, list(own), [], 1.0, str(FOLDER), number, None, "")
            for number, own in enumerate(values)
        ]
        directions = ["minimize"] * len(objectives)
        listed = [asdict(trial) for trial in trials]
        return StudyRecord("s", "s.log", 9, list(objectives), directions, ["optimizer.lr"], {}, listed)

    return make


def test_the_page_begins_with_the_best_trial_and_ends_with_its_command_for_other_seeds(study, job):
    jobs = [job("fused", 0, 0.97, "optimizer.lr=0.123456789"), job("fused", 0, 0.98, "optimizer.lr=0.123456789")]
    page = study_description(study((0.3,), (0.2,)), FOLDER, jobs)
    assert page.splitlines()[0] == (
        "Best by validation: **trial 1, validation/loss 0.2** (optimizer.lr=0.1235); on the test images 98.00%."
    )
    assert page.splitlines()[-2].endswith("loss=fused optimizer.lr=0.123456789 seed=1,2,3,4,5")


def test_a_page_of_several_objectives_names_all_that_no_other_beats(study, job):
    jobs = [job("fused", 0, 0.97), job("fused", 0, 0.98), job("fused", 0, 0.9)]
    found = study((0.3, 1.0), (0.2, 2.0), (0.4, 3.0), objectives=("validation/loss", "parameters"))
    lines = study_description(found, FOLDER, jobs).splitlines()
    assert [line.partition(",")[0] for line in lines if line.startswith("- ")] == ["- **trial 1", "- **trial 0"]


def test_what_was_pruned_has_its_answer_and_what_was_killed_goes_on(study):
    pruned, killed = (Job(0, Path("0-run"), OutcomeEnding(status, "why", []), None) for status in ("PRUNED", "KILLED"))
    page = study_description(study((), state="PRUNED"), FOLDER, [pruned])
    assert page.startswith("No trial has finished")
    assert "sweep.resume" not in page
    broken = study_description(study((), state="RUNNING"), FOLDER, [killed])
    assert broken.splitlines()[-2] == "python -m mnist_trainer --multirun sweep.resume=/sweeps/mine"
