"""`python -m orchestrator.worker RUN_FOLDER --attempt N`: make one attempt at one run."""

import argparse
import os
import sys
from pathlib import Path

from orchestrator.worker.entry import main


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.worker", description=__doc__)
    parser.add_argument("run_folder", type=Path, help="folder of the run")
    parser.add_argument("--attempt", type=int, required=True, help="number of the attempt")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    code = main(arguments.run_folder, arguments.attempt)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written: no thread that a stage left behind may hold the slot
