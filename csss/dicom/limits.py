"""What a DICOM file may hold. Each limit is checked before the memory or the time is spent that it bounds.

Measured on real files: the deepest nesting of the test files is 8, the most elements 6,000 (an enhanced MR of ten
frames); an enhanced CT of a thousand frames has about 60,000. A flat-panel chest picture has 9 to 16 million pixels.
"""

MAX_BYTES = 64_000_000  # one file, as `CSSS_DICOM_MB` counts
MAX_INFLATED = 128_000_000  # bytes of a deflated data set
MAX_NESTING = 48  # sequences within sequences
MAX_ELEMENTS = 300_000  # data elements, items and fragments together
MAX_META_ELEMENTS = 200  # of the file meta information
MAX_FRAME_PIXELS = 40_000_000  # Rows × Columns
MAX_FRAMES = 5_000
MAX_VALUE_BYTES = (
    1_000_000_000  # Rows × Columns × Frames × Samples × bytes: what all frames would take, decoded
)
MAX_TEXT = 1_024  # characters of one value that people read
MAX_VALUES = 16  # values of one attribute that are kept
MAX_LUT = 65_536  # entries of a lookup table (PS3.3 C.11.1.1: 0 means 65,536)
MAX_WINDOWS = 32  # windows and VOI lookup tables of one frame that are offered
MAX_OVERLAYS = 16  # groups 6000 to 601E (PS3.3 C.9.2)

# A zip of a CD (`csss.dicom.media`).
MAX_MEMBERS = 20_000
MAX_ARCHIVE_OBJECTS = 5_000
MAX_ARCHIVE_BYTES = 2_000_000_000  # all members together, unpacked
