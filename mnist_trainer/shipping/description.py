"""What MLflow's page of a run begins with, in Markdown: what came of it, in a sentence, then a table, and what next.

The page folds all but four lines, so the sentence comes first. That of a sweep or a comparison is in its journal.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.files import OUTCOME, read_object
from mnist_trainer.journal.address import SERVING_PORT
from mnist_trainer.journal.events import DESCRIPTION, End
from mnist_trainer.journal.reading import JournalContent, Series
from mnist_trainer.words import counted_in_words, given, markdown_code_block, table

FAILED = {"FAILED": "Failed", "KILLED": "Stopped"}
WORST_CLASSES = 10
"""How many classes have a line of their own."""
LARGE = 1e4
"""From here on a loss, of a run that diverged, is written with an exponent."""
MOST_CHARACTERS = 600
"""Of a reason."""
OTHER_SEEDS = "seed=0,1,2,3,4"


def description_of(folder: Path, history: JournalContent, end: End) -> str | None:
    """Describe the run of a folder that has ended; None if its journal does so, or there is nothing to say."""
    kind, own = history.start.kind if history.start else "run", history.tags.get(DESCRIPTION)
    if kind == "comparison" and own and end.status != "FINISHED":  # what was known by then
        return f"{failure(end)}\n\n{own}"
    alone = kind in ("run", "evaluation")
    if own or (not alone and end.status == "FINISHED"):
        return None
    parts = [failure(end)] if end.status != "FINISHED" else [result_in_words(history)]
    if alone:
        tables = ["\n".join(lines) for lines in (figures(history), by_class(history))]
        parts += [*tables, facts(history), command_after_run(folder, history, end)]
    return "\n\n".join(filter(None, parts)) or None


def model_description(history: JournalContent, model_id: str, image_shape: Sequence[int]) -> str:
    """Describe a run's model: its result, and how it is asked."""
    code = f'model = mlflow.pyfunc.load_model(\n    "models:/{model_id}"\n)\nmodel.predict(images)'
    shape = " × ".join(str(size) for size in (image_shape[:2] if image_shape[-1] == 1 else image_shape))
    asked = f"It takes N images, an array of N × {shape} bytes, and returns each class's probability:"
    serve = ["python", "-m", "mlflow", "models", "serve", "-m", f"models:/{model_id}", "--env-manager", "local"]
    serve += ["--port", str(SERVING_PORT)]
    served = markdown_code_block("To serve it, where MLFLOW_TRACKING_URI names this store", serve)
    return "\n\n".join(filter(None, [result_in_words(history), asked, f"```\n{code}\n```", served]))


def failure(end: End) -> str:
    """Say why a run ended before its time."""
    reason = (end.reason or "for no reason that is known")[:MOST_CHARACTERS]
    return f"**{FAILED[end.status]}**: {reason}"


def result_in_words(history: JournalContent) -> str:
    """Say what a run that finished came to."""
    accuracy, loss = (history.metrics.get(f"test/{name}") for name in ("accuracy", "loss"))
    if not accuracy or not loss:
        return ""
    mode, data = (history.params.get(key) for key in ("loss.name", "data.name"))
    best = best_validation(history)
    held = f"; best validation accuracy {best[1]:.2%}" if best else ""
    where = f"{mode} on {data}" if mode else f"on {data}"
    return f"**Test accuracy {accuracy[-1][1]:.2%}, loss {loss[-1][1]:.4f}** ({where}){held}."


def figures(history: JournalContent) -> list[str]:
    """Tell the losses and accuracies, and the updates after which they were."""
    best = best_validation(history)
    wanted = [("training, last record", "train", None), ("validation, best", "validation", best and best[0])]
    rows = []
    for what, prefix, step in [*wanted, ("test", "test", None)]:
        loss, accuracy = (dict(history.metrics.get(f"{prefix}/{name}", ())) for name in ("loss", "accuracy"))
        at = step if step is not None else max(loss, default=0)
        if at in loss and at in accuracy:
            form = ".4f" if abs(loss[at]) < LARGE else ".2e"
            rows.append([what, f"{at:,}", f"{loss[at]:{form}}", f"{accuracy[at]:.2%}"])
    return table(["", "updates", "loss", "accuracy"], rows) if rows else []


def best_validation(history: JournalContent) -> tuple[int, float] | None:
    """Return the step and the accuracy of the best validation, ties by its loss."""
    losses = dict(history.metrics.get("validation/loss", ()))
    found: Series = history.metrics.get("validation/accuracy", [])
    return max(found, key=lambda each: (each[1], -losses.get(each[0], 0.0)), default=None)


def by_class(history: JournalContent) -> list[str]:
    """Tell precision and recall of the classes; of many, those that are missed most."""
    if history.confusion is None:
        return []
    matrix, names = history.confusion.matrix, history.confusion.class_names
    rows = []
    for index, name in sorted(
        enumerate(names), key=lambda each: described_share(matrix[each[0]][each[0]], sum(matrix[each[0]]))
    ):
        predicted, true = sum(row[index] for row in matrix), sum(matrix[index])
        right = matrix[index][index]
        rows.append(
            [name, f"{true:,}", f"{described_share(right, predicted):.2%}", f"{described_share(right, true):.2%}"]
        )
    kept = rows[:WORST_CLASSES]
    more = [f"{counted_in_words(len(rows) - len(kept), 'class')[:-1]}es more" if len(rows) > len(kept) else ""]
    return [*table(["test images of class", "images", "precision", "recall"], kept), *filter(None, ["", *more])]


def described_share(part: int, whole: int) -> float:
    """Return a share; of nothing it is 0."""
    return part / whole if whole else 0.0


def facts(history: JournalContent) -> str:
    """Tell what is constant over a run, or summed over it."""
    said = []
    if (parameters := history.params.get("model.parameters")) is not None:
        said.append(f"{parameters:,} parameters")
    if seconds := history.metrics.get("epoch_seconds"):
        said.append(f"{counted_in_words(len(seconds), 'epoch')} in {sum(value for _, value in seconds):.1f} s")
    if clamped := sum(value for _, value in history.metrics.get("loss/clamped_rows", ())):
        said.append(f"{counted_in_words(int(clamped), 'row')} had the loss capped")
    return f"{'; '.join(said)}." if said else ""


def command_after_run(folder: Path, history: JournalContent, end: End) -> str:
    """Say which command comes next."""
    start, command = (
        history.start,
        described_without_keys(described_command_words(history.tags.get("command", "")), "resume"),
    )
    diverged = (end.reason or "").startswith("diverged")
    if start is not None and start.kind != "run":
        return ""
    if start is not None and start.parent is not None:  # what comes next is for all jobs of a sweep
        own = overrides_told(folder) if end.status == "FINISHED" else []
        return markdown_code_block("To train it alone", ["python", "-m", "mnist_trainer", *own]) if own else ""
    if end.status != "FINISHED" and not diverged:
        return markdown_code_block("To go on", ["python", "-m", "mnist_trainer", given("resume", folder)])
    if command[:3] != ["python", "-m", "mnist_trainer"]:
        return ""
    if diverged:
        rate = history.params.get("optimizer.lr")
        smaller = [f"optimizer.lr={rate / 10:g}"] if isinstance(rate, float | int) else []
        clipped = described_without_keys(command, "optimizer.lr", "trainer.clip_norm")
        return markdown_code_block(
            "To try a smaller learning rate, with clipping", [*clipped, *smaller, "trainer.clip_norm=auto"]
        )
    others = described_without_keys(command, "seed", "loss")[3:]
    both = ["python", "-m", "mnist_trainer", "--multirun", *others, "loss=fused,separate", OTHER_SEEDS]
    return markdown_code_block("To know whether fused and separate differ by more than chance", both)


def overrides_told(folder: Path) -> list[str]:
    """Return the overrides that a finished job's outcome tells; none where there is none, or it can't be used."""
    try:
        told = read_object(folder / OUTCOME).get("overrides")
    except (OSError, ValueError):
        return []
    return [each for each in told if isinstance(each, str)] if isinstance(told, list) else []


def described_without_keys(words: Sequence[str], *keys: str) -> list[str]:
    """Leave out what a command says of these keys."""
    return [word for word in words if word.lstrip("+~").partition("=")[0] not in keys]


def described_command_words(command: str) -> list[str]:
    """Split a command; one that can't be split has no words."""
    try:
        return shlex.split(command)
    except ValueError:
        return []
