"""Read HEIC, the photographs of telephones, with libheif; it is written as JPEG.

libheif turns the picture upright itself. Only the main picture is read: no thumbnail, depth map or sequence.
"""

import io
from base64 import b64decode

import pi_heif.options
from pi_heif.as_plugin import HeifImageFile
from PIL import Image, ImageFile

from csss.scans import depth, jpeg_codec
from csss.scans.picture_codec import OpenedPicture

SAMPLE_MODES = ()
# Pillow cannot write it: 64 × 64 pixels of one grey.
_GREY = (
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAU5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAACJpbG9jAAAAAERAAAEAAQAAAAABcgABAAAAAAAAAAwAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA"
    "AA5waXRtAAAAAAABAAAAzmlwcnAAAACvaXBjbwAAAHJodmNDAQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQI"
    "AAADAJ/4AAADAAAeugJAYQABACZCAQEECAAAAwCf+AAAAwAAHsCCBBZbqSSmubAgAAADAyAAAAMAIWIAAQAHRAHBcrAiQAAA"
    "ABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAA5waXhpAAAAAAEIAAAAF2lwbWEAAAAAAAAAAQABBIEC"
    "AwQAAAAUbWRhdAAAAAgoAa4z5J4Dhw=="
)
SAMPLES = (b64decode(_GREY),)

pi_heif.options.DECODE_THREADS = 1
pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False


def sound(content: bytes) -> bytes:
    return content  # libheif checks it, while it reads the container


def file_of(content: bytes) -> ImageFile.ImageFile:
    return HeifImageFile(io.BytesIO(content))


def read(content: bytes, turn: int | None) -> OpenedPicture:
    """Read all pixels. Raises ValueError, `depth.Transparent`."""
    file = file_of(content)
    size = file.size
    try:
        file.load()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if file.size != size:
        raise ValueError("a picture of another size than the container says")
    if file.mode in {"LA", "RGBA"}:
        return OpenedPicture(depth.opaque(file))
    if file.mode not in {"L", "RGB"}:
        raise ValueError("components that mean no colours")
    picture = Image.new(file.mode, file.size)
    picture.paste(file)
    return OpenedPicture(picture)


def write(picture: Image.Image, like: ImageFile.ImageFile | None) -> bytes:
    return jpeg_codec.write(picture, None)
