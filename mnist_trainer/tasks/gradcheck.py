"""task=gradcheck: every gradient of a configuration, exact or not, and what is wrong in words."""

import json
import logging
from dataclasses import replace
from pathlib import Path

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mnist_trainer.analysis.gradcheck.configuration import check_configuration
from mnist_trainer.analysis.gradcheck.findings import HEAD, Findings
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import AugmentConfig, Config, GradcheckConfig
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.files import write_whole
from mnist_trainer.runs.cores import product_limits, product_threads
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.tasks.terminal import terminal_console

log = logging.getLogger(__name__)

FILES = ("gradcheck.md", "gradcheck.json")
STYLES = {"exact": "green", "wrong": "bold red", "can't run": "bold red", "not checked": "yellow", "not judged": "dim"}


def gradcheck(config: Config, folder: Path) -> TaskOutcome:
    """Check the model, the loss and the data of a configuration, in float64; exit code 0 if all is exact, 1 if not.

    Writes `gradcheck.md` and `gradcheck.json`. Raises `ConfigError` and `DataError`.
    """
    settings = config.task
    assert isinstance(settings, GradcheckConfig)
    dataset = build_data(config.data, kept=KeptFiles.current)
    config = replace(config, dtype="float64", augment=AugmentConfig("none"))
    trainer, _ = build_trainer(config, dataset)
    x, labels = next(iter(trainer.train))
    log.info(f"checking model={config.model.name} with loss={config.loss.name} on {dataset.name}, in float64")
    with product_limits(product_threads(config.trainer)):
        report = check_configuration(
            config, trainer.model, x, labels, samples=settings.samples, seconds=settings.seconds
        )
    title = f"# Gradients of model={config.model.name} with loss={config.loss.name} on {dataset.name}, in float64\n\n"
    write_whole(folder / FILES[0], title + report.as_markdown() + "\n")
    record = report.as_record()
    write_whole(folder / FILES[1], json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    print_findings(report)
    log.info(f"report: {folder / FILES[0]}")
    return TaskOutcome(0 if report.exact else 1, {key: value for key, value in record.items() if key != "rows"})


def print_findings(report: Findings) -> None:
    """Print the verdict, what is wrong and what is to be known, and the table."""
    screen = terminal_console()
    screen.print(report.verdict, style="bold green" if report.exact else "bold red")
    words = Table.grid(padding=(0, 1))
    for item in report.words:
        words.add_row("-", escape(item.removeprefix("- ")))
    screen.print(words)
    if report.unchecked:
        screen.print("Give it more time with task.seconds, or fewer entries with task.samples.", style="yellow")
    screen.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in HEAD:
        header = title.replace("relative ", "relative\n")
        table.add_column(header, justify="right" if title == HEAD[1] else "left", overflow="fold")
    for *cells, verdict in report.rows():
        heading = not verdict
        table.add_row(*map(escape, cells), Text(verdict, STYLES.get(verdict, "")), style="bold" if heading else "")
    screen.print(table)
    if any(" for " in check.where for check in report.wrong):
        screen.print("(1.2 for 3.4: what the code says, for what is right)", style="dim")
