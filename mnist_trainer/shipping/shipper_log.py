"""How the processes beside training log: to their standard error, which is `shipper.log` in the run's folder."""

import logging
import sys
import warnings

from mnist_trainer.credentials import hidden


class ShipperLogFormatter(logging.Formatter):
    """Hides the passwords in what libraries log, tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        return hidden(super().format(record))


def log_to_stderr() -> None:
    """Let all be logged, but the warnings of MLflow's and its dependencies' authors: nobody here can act on them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ShipperLogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    warnings.simplefilter("ignore")
