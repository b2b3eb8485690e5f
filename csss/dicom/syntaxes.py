"""Transfer syntaxes that are read here (PS3.5 annex A; PS3.6 table A-1). What is not listed is refused by name."""

from pydicom import uid

NATIVE = {
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
}
JPEG = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1}
JPEG_LS = {uid.JPEGLSLossless, uid.JPEGLSNearLossless}
JPEG_2000 = {uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K}
ENCAPSULATED = {uid.RLELossless} | JPEG | JPEG_LS | JPEG_2000
# By codestream alone; a lossless one may have been lossy before, which the header says.
LOSSY = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K}


def is_video(syntax: str) -> bool:
    """MPEG-2, H.264, H.265; SMPTE ST 2110."""
    return syntax.startswith(("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.7."))
