"""Evaluate a trained model: metrics with intervals, subgroups, mistakes, shortcuts. No TensorFlow."""
