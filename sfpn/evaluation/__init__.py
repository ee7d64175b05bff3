"""Scores to rates: comparisons, metrics, bootstrap, protocols, reports, calibration."""
