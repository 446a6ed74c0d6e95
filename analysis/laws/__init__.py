"""Functional forms of scaling laws."""

from analysis.laws.chinchilla import CHINCHILLA, best_allocation
from analysis.laws.joint import joint_law
from analysis.laws.law import Law
from analysis.laws.mixture import mixture_law
from analysis.laws.overtraining import OVERTRAINING
from analysis.laws.power_law import power_law
from analysis.laws.saturation import DOWNSTREAM_ERROR, saturation

__all__ = [
    "CHINCHILLA",
    "DOWNSTREAM_ERROR",
    "OVERTRAINING",
    "Law",
    "best_allocation",
    "joint_law",
    "mixture_law",
    "power_law",
    "saturation",
]
