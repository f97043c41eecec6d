"""Shows where a training step's time goes, by layer and by kernel: `python tests/benchmarks/step.py`.

For the networks that `peers.py` compares with other libraries, on MNIST and on one thread, with all that is
`task=profile`, which does the same for any configuration. --rounds is the number of updates of each kind: as they are,
with their layers timed, with their kernels timed.
"""

import argparse
import os
import sys
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", default="", help="the cases whose name has this in it, such as cnn")
    arguments = parser.parse_args()
    from contenders.cases import TRAINING
    from contenders.with_numpy import trainer

    from mnist_trainer.analysis.profile.steps import profile_steps

    for case in TRAINING:
        if arguments.only in str(case):
            found = profile_steps(trainer(case, "fused"), arguments.rounds)
            print(
                f"\n## {case.network}, batches of {case.batch}, {case.optimizer}\n\n{found.as_markdown()}", flush=True
            )


if __name__ == "__main__":
    main()
