"""The heat map, or another picture of ours, as a Secondary Capture (PS3.3 A.8.1)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import SecondaryCaptureImageStorage

from csss.dicom.outgoing.common import ReportObject, begun, code, file_of, line, reference

KIND = "capture"
_SERIES = 9002


def secondary_capture(about: ReportObject, pixels: NDArray[np.uint8], *, what: str) -> bytes:
    """Pack 8-bit grey of shape (rows, columns), or RGB of shape (rows, columns, 3). `what` says what is seen.

    Raises ValueError for another shape.
    """
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not (colour or pixels.ndim == 2) or not pixels.size:
        raise ValueError("no picture of 8 bits")
    data = begun(about, KIND, SecondaryCaptureImageStorage, "OT", _SERIES)
    data.ConversionType = "WSD"
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.DerivationDescription = line(what, 1024, cut=True)
    data.PatientOrientation = None
    data.Laterality = ""
    data.BurnedInAnnotation = "NO"
    if about.sources:
        data.SourceImageSequence = []
        for each in about.sources:
            item = reference(each.sop_class_uid, each.sop_instance_uid)
            item.PurposeOfReferenceCodeSequence = [
                code("121322", "DCM", "Source image for image processing operation")
            ]
            data.SourceImageSequence.append(item)
    if about.version > 1:
        earlier = about.uid(KIND, version=about.version - 1)
        data.ReferencedImageSequence = [reference(SecondaryCaptureImageStorage, earlier)]
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = pixels.shape[:2]
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    content = np.ascontiguousarray(pixels).tobytes()
    data.PixelData = content + b"\0" * (len(content) % 2)
    data["PixelData"].VR = "OB"
    return file_of(data)
