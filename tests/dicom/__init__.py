"""Reading, de-identifying and making DICOM objects (`csss/dicom`), on real difficult files and on hostile ones."""
