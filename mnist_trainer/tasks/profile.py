"""task=profile: where the time of a training step goes, by layer and by kernel."""

import json
import logging
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from mnist_trainer.analysis.profile.profile import HEAD, KERNEL_HEAD, Profile
from mnist_trainer.analysis.profile.steps import profile_steps
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import Config, ProfileConfig
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.files import write_whole
from mnist_trainer.runs.cores import product_limits, product_threads
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.runs.provenance import machine_facts
from mnist_trainer.tasks.terminal import terminal_console

log = logging.getLogger(__name__)

FILES = ("profile.md", "profile.json")


def profile(config: Config, folder: Path) -> TaskOutcome:
    """Train for some updates, and tell what their time went to.

    Writes `profile.md` and `profile.json`. Raises `ConfigError`, `DataError`, and `DivergedError`.
    """
    settings = config.task
    assert isinstance(settings, ProfileConfig)
    dataset = build_data(config.data, kept=KeptFiles.current)
    trainer, _ = build_trainer(config, dataset)
    what = f"model={config.model.name} loss={config.loss.name} optimizer={config.optimizer.name}"
    log.info(f"profiling {what} on {dataset.name}, {3 * settings.updates:,} updates ...")
    with product_limits(product_threads(config.trainer)):
        found = profile_steps(trainer, settings.updates)
        where = machine_facts()
    title = f"# A training step of {what}, batches of {found.batch}\n\n"
    facts = "\n".join(f"- {key}: {value}" for key, value in where.items())
    write_whole(folder / FILES[0], f"{title}{found.as_markdown()}\n\n{facts}\n")
    record = {**found.as_record(), "machine": where}
    write_whole(folder / FILES[1], json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    print_profile(found)
    log.info(f"report: {folder / FILES[0]}")
    return TaskOutcome(0, {key: value for key, value in record.items() if key not in ("parts", "kernels")})


def print_profile(found: Profile) -> None:
    """Print the tables and the verdict."""
    screen = terminal_console()
    for head, rows in ((HEAD, found.rows()), (KERNEL_HEAD, found.kernel_rows())):
        table = Table(box=None, pad_edge=False, header_style="bold")
        words = 2 if head is HEAD else 1
        for column, title in enumerate(head):
            table.add_column(title, justify="left" if column < words else "right")
        for row in rows:
            table.add_row(*map(escape, row), style="bold" if row[0] == "sum" else "")
        screen.print(table)
        screen.print()
    screen.print(found.verdict)
