"""The command: `python -m mnist_trainer`, or `mnist-trainer`."""

import gc
import os
import signal
import sys
import warnings
from concurrent.futures import BrokenExecutor
from importlib.util import find_spec

from mnist_trainer import __version__
from mnist_trainer.errors import UNFIT, MnistTrainerError, error_in_words
from mnist_trainer.runs.screen import lenient_output
from mnist_trainer.training.interruption import Interrupted, exit_on_second_signal, exit_on_signals, raise_on_signals

gc.disable()  # until a job, or a sweep, begins: looking through what imports make costs a tenth of a second

COMMAND = "mnist-trainer"
"""The console script, whose words a shell completes after `eval "$(mnist-trainer --shell-completion install=bash)"`."""
LOST_WORKER = "the sweep was broken off: a process that ran jobs was killed, or out of memory"


def main() -> None:
    """Run the command line; exits with 0, 1 (a negative answer), 2 (unusable input), 130 or 143 (interrupted)."""
    with lenient_output(), warnings.catch_warnings():
        code = run()
    sys.exit(code)


def run() -> int:
    """Run the command line; return the exit code."""
    if "--version" in sys.argv[1:]:  # Hydra would tell its own
        sys.stdout.write(f"mnist_trainer {__version__}\n")
        return 0
    if find_spec("fcntl") is None:
        print_error(UNFIT)
        return 2
    try:
        os.getcwd()  # noqa: PTH109  (Path.cwd is this)
    except OSError as error:
        print_error(f"the working directory: {error.strerror}: change to one that is there")
        return 2
    exit_on_signals()
    # A third of a second, in which a signal would end in the midst of somebody's import
    import hydra
    from hydra.errors import HydraException

    from mnist_trainer.complaints.command_line import options_and_overrides, read
    from mnist_trainer.complaints.composing import UNEXPECTED, explain
    from mnist_trainer.complaints.files import Folders
    from mnist_trainer.composition import conf_folder
    from mnist_trainer.credentials import hide_in
    from mnist_trainer.sweeps.replaced import share_the_store, spare_a_composition
    from mnist_trainer.sweeps.sweep import Sweep, finish_sweep
    from mnist_trainer.sweeps.tuning.sweeper import register_optuna_sweeper
    from mnist_trainer.tasks import dispatch

    warnings.filterwarnings("error", message=r"(?s).*is not available", category=UserWarning, module="hydra")
    warnings.filterwarnings("ignore", message=r"(?s).*(missing `_self_`|overriding with)", module="hydra")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing them and exiting with 1
    arguments = hide_in(sorted(sys.argv[1:], key=is_override))
    overrides: list[str] = []
    try:
        raise_on_signals()
        given = options_and_overrides(arguments)
        readable = dict(zip(given, read(given, Folders([conf_folder()])), strict=True))
        overrides = list(readable.values())
        sys.argv = [COMMAND, *(readable.get(each, each) for each in arguments)]
        spare_a_composition(sys.argv[1:])
        share_the_store()
        register_optuna_sweeper()
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(dispatch.run_job)()
        code = dispatch.exit_code
        if Sweep.failed_jobs:
            code = 1
        elif dispatch.error is not None:
            print_error(dispatch.error)
    except SystemExit as error:
        if error.__cause__ is not None:
            raise error.__cause__ from None  # a bug in a callback: Hydra would only warn of it, and go on
        code = 2 if error.code else 0  # Hydra's, of a --package that there isn't
    except MnistTrainerError as error:
        print_error(error)
        code = error.exit_code
    except UNEXPECTED as error:
        if not isinstance(error, HydraException) and (dispatch.begun or Sweep.current is not None):
            raise
        print_error(explain(error, overrides, conf_folder()))
        code = 2
    except OSError as error:  # Hydra's, of a file that holds no keys, or of the folder that it makes for the run
        of_disk = error if error.filename else f"the run's folder can't be written to: {error.strerror}"
        print_error(of_disk if error.errno else explain(error, overrides, conf_folder()))
        code = 2
    except BrokenExecutor:  # joblib's
        finish_sweep("FAILED", LOST_WORKER)
        print_error(LOST_WORKER)
        code = 1
    except KeyboardInterrupt as error:
        exit_on_second_signal()
        interrupted = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)  # of a sweep's worker
        finish_sweep("KILLED", f"interrupted by {interrupted}")
        print_error(f"interrupted by {interrupted}")
        code = interrupted.exit_code
    finally:
        finish_sweep("FAILED", "the sweep was broken off")
    return code


def is_override(argument: str) -> bool:
    """Tell `batch_size=32` from options, which argparse wants together: overrides may stand on either side of them."""
    return "=" in argument and not argument.startswith("-")


def print_error(error: object) -> None:
    """Write an error to the standard error."""
    message = error_in_words(error) if isinstance(error, OSError) else error
    sys.stderr.write(f"mnist_trainer: {message}\n")


if __name__ == "__main__":
    main()
