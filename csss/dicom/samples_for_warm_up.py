"""Make a tiny DICOM file in each coding, so that every decoder is loaded before the sandbox closes."""

import io
import struct
from collections.abc import Iterator

import jpeg_ls
import numpy as np
import openjpeg
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite

SIDE = 64  # OpenJPEG wants at least 32


def samples() -> Iterator[bytes]:
    """Files that the child must be able to read completely."""
    grey: NDArray[np.uint8] = (np.arange(SIDE * SIDE) % 256).astype(np.uint8).reshape(SIDE, SIDE)
    colour = np.stack([grey, grey.T, grey[::-1]], axis=-1)
    deep = grey.astype(np.uint16)
    yield made(uid.ExplicitVRLittleEndian, grey.tobytes(), "MONOCHROME2", 8)
    yield made(uid.ImplicitVRLittleEndian, deep.tobytes(), "MONOCHROME1", 16)
    yield made(uid.DeflatedExplicitVRLittleEndian, grey.tobytes(), "MONOCHROME2", 8)
    for picture, kind, photometric in ((grey, "L", "MONOCHROME2"), (colour, "RGB", "YBR_FULL_422")):
        target = io.BytesIO()
        Image.fromarray(picture, kind).save(target, "JPEG")
        yield made(uid.JPEGBaseline8Bit, encapsulate([target.getvalue()]), photometric, 8)
    packed = bytes(jpeg_ls.encode_array(deep))
    yield made(uid.JPEGLSLossless, encapsulate([packed]), "MONOCHROME2", 16)
    packed = bytes(openjpeg.encode(deep, bits_stored=16, photometric_interpretation=2))
    yield made(uid.JPEG2000Lossless, encapsulate([packed]), "MONOCHROME2", 16)
    rows = b"".join(bytes([SIDE - 1]) + row.tobytes() for row in grey)
    packed = struct.pack("<16I", 1, 64, *[0] * 14) + rows
    yield made(uid.RLELossless, encapsulate([packed]), "MONOCHROME2", 8)
    yield _with_palette(grey)


def made(syntax: uid.UID, pixels: bytes, photometric: str, bits: int, **more: object) -> bytes:
    """A file with little but pixels in it."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "2.25.1"
    data.Modality, data.PatientName, data.StudyDate = "OT", "Meera^Sample", "20260101"
    data.Rows = data.Columns = SIDE
    data.SamplesPerPixel = 1 if photometric.startswith(("MONO", "PALETTE")) else 3
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, 0
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = pixels
    data["PixelData"].VR = "OB" if bits == 8 or syntax.is_encapsulated else "OW"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    target = io.BytesIO()
    dcmwrite(target, data, enforce_file_format=True)
    return target.getvalue()


def _with_palette(grey: NDArray[np.uint8]) -> bytes:
    words = (np.arange(256, dtype="<u2") * 257).tobytes()
    palette: dict[str, object] = {}
    for name in ("Red", "Green", "Blue"):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        palette[f"{name}PaletteColorLookupTableData"] = words
    return made(uid.ExplicitVRLittleEndian, grey.tobytes(), "PALETTE COLOR", 8, **palette)
