"""How long `sweep figures` takes for a study of 300 models. Run by hand.

    python tests/benchmarks/drawing.py
    python tests/benchmarks/drawing.py sweeps/demo.yaml FOLDER

Every run of the study (sweeps/paper.yaml unless another is named) gets a made-up result, so that
all its figures and tables are whole. With FOLDER, what is drawn is kept there to look at.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from analysis.figures import all as figures
from analysis.figures.save import save
from analysis.study import open_study
from analysis.tables.all import tabulate_all
from orchestrator.store.layout import StudyFolder
from tests.analysis.made_results import made_study

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 20.0


def one_by_one(folder: StudyFolder) -> None:
    """Print the seconds of each figure one after the other, drawing and saving apart."""
    began = time.perf_counter()
    study = open_study(folder)
    print(f"  reading: {time.perf_counter() - began:.2f} s")
    for name in sorted(study.feeds):
        if name not in figures.MODULES:
            continue
        began = time.perf_counter()
        drawn = figures.MODULES[name](study)
        middle = time.perf_counter()
        save(drawn, folder.figures)
        print(
            f"  {name}: {middle - began:.2f} s to draw, {time.perf_counter() - middle:.2f} to save"
        )
    began = time.perf_counter()
    tabulate_all(folder)
    print(f"  tables: {time.perf_counter() - began:.2f} s")


def main(study: Path, root: Path) -> None:
    began = time.perf_counter()
    folder = made_study(study, root)
    print(f"made {folder.path} in {time.perf_counter() - began:.1f} s")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = ["-m", "orchestrator.cli.main", "figures", str(study), "--results", str(root)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    taken = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    waiting = os.getloadavg()[0]
    print(
        f"sweep figures {study.name}: {taken:.1f} s, {taken / LIMIT_SECONDS:.2f} of the limit of "
        f"{LIMIT_SECONDS:g} s; {busy:.1f} s of CPU, {busy / taken:.2f} cores at work "
        f"of {os.cpu_count()} that {waiting:.1f} processes shared"
    )
    one_by_one(folder)


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sweeps" / "paper.yaml"
    if len(sys.argv) > 2:
        main(chosen.resolve(), Path(sys.argv[2]).resolve())
    else:
        with tempfile.TemporaryDirectory() as made:
            main(chosen.resolve(), Path(made))
