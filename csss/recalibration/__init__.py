"""Fitting the classifier to the hospital: temperature, class biases and threshold from verified readings, as a new version
that an administrator may put in use. The network is never changed."""
