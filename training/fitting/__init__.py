"""Fit networks and scores to images: training, calibration, outlier score. Needs the extra `train`."""
