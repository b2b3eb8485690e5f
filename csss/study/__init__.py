"""A validation study in the hospital: is the classifier as good here as its card says?

- `protocol`: what is asked of which scans, written down before anything is looked at; `study_folder`: where it lies
- `drawing` takes the sample, `exporting` hands it to the readers without names, `reading_sheets` takes readings back
- `proportions`, `sample_size`, `roc`, `calibration`, `agreement`: the statistics, pure functions of numbers
- `cases`, `reference`, `results`: what is known of each scan, what counts as the truth, and the figures; `document`,
  `plots`: the report; `checklists`: where it answers CLAIM, STARD-AI and DECIDE-AI
- `erased`: a patient who is erased leaves every study
"""
