"""Train the classifier: `python -m training split|train|calibrate|export|outliers|evaluate`.

It knows neither Flask nor the database; it shares preprocessing and the engine with `csss.inference`.
"""
