"""How large a pixel is in the patient, in millimetres, and how far that is to be believed.

| in the file | what it means | source |
| --- | --- | --- |
| Pixel Spacing of CT, MR and the like | in the patient | PS3.3 10.7.1 |
| Pixel Spacing of a projection, calibrated | in the patient, as far as the calibration says | PS3.3 10.7.1.2 |
| Imager Pixel Spacing | at the detector; the patient is nearer to the tube, and shown too large | PS3.3 C.8.7.1 |
| Nominal Scanned Pixel Spacing | on the film that was scanned | PS3.3 C.8.11.3 |

A spacing at the detector is divided by the magnification: the estimated factor of the file, or the distance from source to
detector by that from source to patient.
"""

from pydicom.dataset import Dataset

from csss.dicom.facts import MillimetresPerPixel, SpacingBasis
from csss.dicom.headers import macro_of_frame, number_of, numbers_of, text_of

# Modalities whose pixels are a projection on a detector.
PROJECTIONS = {"CR", "DX", "RF", "XA", "MG", "RG", "PX", "IO", "DR"}


def spacing_of(data: Dataset, frame: int = 0) -> MillimetresPerPixel | None:
    """The spacing of a frame (from 0); None if the file has none that is usable."""
    measures = macro_of_frame(data, frame, "PixelMeasuresSequence")
    if measures is not None and (pair := _pair(measures, "PixelSpacing")):
        return MillimetresPerPixel(*pair, SpacingBasis.PATIENT)
    pixel, imager = _pair(data, "PixelSpacing"), _pair(data, "ImagerPixelSpacing")
    if imager is None and pixel is None:
        film = _pair(data, "NominalScannedPixelSpacing")
        return MillimetresPerPixel(*film, SpacingBasis.FILM) if film else None
    if pixel is not None and (imager is None or pixel != imager):
        calibrated = text_of(data, "PixelSpacingCalibrationType").upper()
        if calibrated in {"GEOMETRY", "FIDUCIAL"} or imager is not None:
            return MillimetresPerPixel(*pixel, SpacingBasis.CALIBRATED)
        projected = text_of(data, "Modality").upper() in PROJECTIONS
        return MillimetresPerPixel(*pixel, SpacingBasis.UNSAID if projected else SpacingBasis.PATIENT)
    rows, columns = imager or (0.0, 0.0)
    factor = magnification_of(data)
    if factor is None:
        return MillimetresPerPixel(rows, columns, SpacingBasis.DETECTOR)
    return MillimetresPerPixel(rows / factor, columns / factor, SpacingBasis.CORRECTED, factor)


def magnification_of(data: Dataset) -> float | None:
    """How much larger the shadow on the detector is than the patient: between 1 and 10, else it is not believed."""
    factor = number_of(data, "EstimatedRadiographicMagnificationFactor")
    if factor is None:
        detector, patient = (
            number_of(data, "DistanceSourceToDetector"),
            number_of(data, "DistanceSourceToPatient"),
        )
        factor = detector / patient if detector and patient else None
    return factor if factor is not None and 1 <= factor <= 10 else None


def aspect_of(data: Dataset, frame: int = 0) -> float:
    """Height of a pixel divided by its width: 1 for square ones. From the spacing, else Pixel Aspect Ratio."""
    spacing = spacing_of(data, frame)
    if spacing is not None:
        return spacing.between_rows / spacing.between_columns
    ratio = numbers_of(data, "PixelAspectRatio")
    usable = len(ratio) == 2 and min(ratio) > 0 and max(ratio) <= 100 * min(ratio)
    return ratio[0] / ratio[1] if usable else 1.0


def _pair(data: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two positive sizes, between a micrometre and ten centimetres, that are not absurdly different."""
    found = numbers_of(data, keyword)
    if len(found) != 2 or not min(found) >= 0.001 or max(found) > 100 or max(found) > 100 * min(found):
        return None
    return found[0], found[1]
