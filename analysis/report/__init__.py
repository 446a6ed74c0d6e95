"""One HTML page with everything a study found, cost and still lacks."""

from analysis.report.page import write_report

__all__ = ["write_report"]
