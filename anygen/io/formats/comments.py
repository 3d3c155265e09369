"""The comment in a file's metadata, in the field where other programs look for it.

PNG: iTXt `parameters`. JPEG and WebP: EXIF UserComment in UTF-16; a comment that exceeds the 64 kB
of a JPEG's EXIF block is written to COM segments in UTF-8 instead. WAV: LIST/INFO ICMT. FLAC:
COMMENT. Ogg: DESCRIPTION, the field of Vorbis comments. MP4: ©cmt.
"""

from typing import Any, BinaryIO

from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from anygen.io.formats.containers import open_container, picture_tracks, sound_tracks
from anygen.io.formats.pictures import open_picture

KEY = "parameters"  # the PNG keyword that other image generators use
EXIF_FOLDER, USER_COMMENT = 0x8769, 0x9286  # EXIF 2.32, 4.6.3 and 4.6.5
UNICODE, ASCII = b"UNICODE\0", b"ASCII\0\0\0"  # EXIF 2.32, table 6
SEGMENT = 65_533  # bytes in a JPEG segment


def picture_options(form: str, comment: str | None) -> dict[str, Any]:
    """The arguments of Pillow's `save` that store the comment."""
    if not comment:
        return {}
    if form == "PNG":
        chunks = PngInfo()
        chunks.add_itxt(KEY, comment)
        return {"pnginfo": chunks}
    exif = _exif_with(comment)
    if form == "JPEG" and len(exif) > SEGMENT:
        return {"extra": _comment_segments(comment.encode())}
    return {"exif": exif}


def _exif_with(comment: str) -> bytes:
    """Big-endian, which most readers assume for UTF-16 in a UserComment."""
    exif = PILImage.Exif()
    exif.endian = ">"
    exif.get_ifd(EXIF_FOLDER)[USER_COMMENT] = UNICODE + comment.encode("utf-16-be")
    return exif.tobytes()


def _comment_segments(data: bytes) -> bytes:
    pieces = [data[start : start + SEGMENT] for start in range(0, len(data), SEGMENT)]
    return b"".join(b"\xff\xfe" + (len(p) + 2).to_bytes(2, "big") + p for p in pieces)


def picture_comment(stream: BinaryIO, name: str, form: str) -> str | None:
    picture = open_picture(stream, name, form)
    if form == "PNG" and KEY in picture.info:
        return str(picture.info[KEY]) or None
    exif = picture.getexif()
    stored = exif.get_ifd(EXIF_FOLDER).get(USER_COMMENT)
    if isinstance(stored, bytes) and stored.strip(b"\0 "):
        return _user_comment(stored, "utf-16-le" if exif.endian == "<" else "utf-16-be")
    segments = getattr(picture, "applist", [])  # Pillow has it for JPEG only
    joined = b"".join(data for kind, data in segments if kind == "COM")
    return joined.decode(errors="replace") or None


def _user_comment(stored: bytes, unicode: str) -> str | None:
    kind, text = stored[:8], stored[8:]
    if kind == UNICODE:
        marked = text.startswith((b"\xff\xfe", b"\xfe\xff"))
        return text.decode("utf-16" if marked else unicode, errors="replace") or None
    return text.decode(errors="replace").rstrip("\0 ") or None


def container_comment(stream: BinaryIO, form: str) -> str | None:
    with open_container(stream, form) as container:
        tracks = [*sound_tracks(container), *picture_tracks(container)]
        for part in (container, *tracks):  # Ogg stores it with the track
            for key, value in part.metadata.items():
                if key.lower() == "comment" and value:
                    return str(value)
    return None
