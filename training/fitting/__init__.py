"""Everything that fits a network or a score to images: training, calibration, outlier score. Needs the extra `train`."""
