"""The command: `python -m mnist_trainer`, or `mnist-trainer`."""

import os
import signal
import sys

import hydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.config import conf_folder
from mnist_trainer.config_errors import explain
from mnist_trainer.errors import MnistTrainerError
from mnist_trainer.tasks import dispatch
from mnist_trainer.tasks.sweep import SweepCallback
from mnist_trainer.training.interruption import Interrupted


def main() -> None:
    """Run the command line; exits with 0, 1 (a negative answer), 2 (unusable input), 130 or 143 (interrupted)."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print, and would exit with 1 for
    try:
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(dispatch.run_job)()
        code = 1 if SweepCallback.failed_jobs else dispatch.exit_code
    except MnistTrainerError as error:
        code = tell(str(error), error.exit_code)
    except (HydraException, OmegaConfBaseException) as error:
        code = tell(explain(error), 2)
    except KeyboardInterrupt as error:
        number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
        if SweepCallback.current is not None:
            SweepCallback.current.finish("KILLED", f"interrupted by {signal.Signals(number).name}")
        code = tell("interrupted", 128 + number)
    sys.exit(code)


def tell(message: str, code: int) -> int:
    """Write an error, as a block of its own, to the standard error; return the exit code."""
    sys.stderr.write(f"mnist_trainer: {message}\n")
    return code


if __name__ == "__main__":
    main()
