"""What an attempt makes of its devices: model FLOP utilisation, and memory at its highest.

MFU is the model's FLOP a second over the peak of all devices, as Chowdhery et al. 2022
(arXiv:2204.02311, appendix B) define it; the FLOP of a step are the plan's, without those of
activations that are computed again.
"""

import resource
import sys

from orchestrator.store.attempts import Intent

_TERA = 1e12


def model_flops_utilisation(intent: Intent, steps_per_second: float | None) -> float | None:
    """Return the MFU, 1 at the devices' peak; None if speed, FLOP or peak are not known."""
    if steps_per_second is None or intent.step_flops is None or intent.peak_teraflops is None:
        return None
    peak = intent.peak_teraflops * _TERA * intent.processes
    return steps_per_second * intent.step_flops / peak


def peak_memory_mib() -> float:
    """Return the most host memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, else KiB
