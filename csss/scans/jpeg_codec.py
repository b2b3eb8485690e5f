"""Read and write JPEG. libjpeg's warnings count as errors, and the file's quantisation tables are kept."""

import io

import simplejpeg
from PIL import Image, ImageFile, JpegImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from csss.scans import jpeg_structure
from csss.scans.picture_codec import OpenedPicture

SAMPLE_MODES = ("RGB",)
SAMPLES = ()


def sound(content: bytes) -> bytes:
    return jpeg_structure.checked(content)


def file_of(content: bytes) -> JpegImageFile:
    return JpegImageFile(io.BytesIO(content))


def read(content: bytes, turn: int | None) -> OpenedPicture:
    """Read all pixels of a JPEG of sound structure. Raises ValueError, also for what libjpeg only warns of."""
    file = file_of(content)
    if file.mode not in {"L", "RGB", "CMYK"}:
        raise ValueError("components that mean no colours")
    mode = {"L": "GRAY"}.get(file.mode, file.mode)
    pixels = simplejpeg.decode_jpeg(content, mode, strict=True)
    if file.mode == "CMYK":
        del pixels
        return OpenedPicture(file.convert("RGB"))  # Pillow knows which CMYK files are inverted
    return OpenedPicture(Image.fromarray(pixels[:, :, 0] if file.mode == "L" else pixels), like=file)


def write(picture: Image.Image, like: ImageFile.ImageFile | None) -> bytes:
    target = io.BytesIO()
    if isinstance(like, JpegImageFile):
        # With the same quantisation tables, decoding it again gives (nearly) the same pixels.
        sampling = JpegImagePlugin.get_sampling(like)
        picture.save(target, "JPEG", quality=-1, qtables=like.quantization, subsampling=sampling)
    else:
        picture.save(target, "JPEG", quality=95, subsampling=0)
    return target.getvalue()
