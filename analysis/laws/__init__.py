"""Functional forms of scaling laws."""

from analysis.laws.chinchilla import CHINCHILLA, best_allocation
from analysis.laws.law import Law
from analysis.laws.power_law import power_law

__all__ = ["CHINCHILLA", "Law", "best_allocation", "power_law"]
