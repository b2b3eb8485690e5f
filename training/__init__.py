"""Training of the classifier: `python -m training split|train|calibrate|export|outliers|evaluate`.

Knows neither Flask nor the database; shares preprocessing and the engine with `csss.inference`.
"""
