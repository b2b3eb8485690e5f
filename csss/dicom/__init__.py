"""DICOM: read what strangers send, tell what it says, show it, take names out of it, and make objects that go back.

    bytes of a file ──▶ first_bytes ── no DICOM ──▶ the picture intake for JPEG and PNG (csss.scans.intake)
         │                  │
         │               a zip ──▶ media: objects one by one, what the DICOMDIR names and the zip lacks
         ▼
    reading ═══ request ═══▶ child (a sandboxed process; nothing else opens a stranger's DICOM file)
         ▲                     │  structure   one pass: nesting, lengths, number of elements, inflating, where the pixels are
         │                     │  headers     single values, by pydicom
         │                     │  geometry    Rows × Columns × Frames × bits, before anything is decoded
         │                     │  fragments, codecs, samples   a frame's stored values (int16, uint16)
         │                     │  windows     modality LUT, VOI LUT or window, MONOCHROME1 last; colours; overlays
         │                     │  tags, views, spacing   what people want to know
         │                     │  deidentify  PS3.15, with a key kept apart (pseudonyms)
         ╚══════ answer ═══════╝  JSON that is checked field by field (wire, facts), and bytes

| who wants | asks |
| --- | --- |
| what a file says, and whether its picture may be shown and read | `reading.facts_of` |
| a picture for pages and for the classifier: PNG of 8 bits | `reading.picture_of` |
| full depth, for windowing and measuring | `reading.stored_values` |
| the objects of a zip | `media.contents_of`, `media.objects_of`; `reading.directory_of` for its DICOMDIR |
| a file without names | `reading.deidentified` |
| objects for the archive, from a released report | `csss.dicom.outgoing` |

A picture of `picture_of` is a PNG like any other: `csss.scans.decoder` makes its small versions. A worker that opens many
files calls `reading.open_in_forks` once. Refusals are `csss.errors.Invalid` with a sentence beside the field `file`.

Two kinds of modules: `reading`, `media`, `facts`, `problems`, `sentences`, `wire`, `limits`, `pseudonyms`, `uids` and
`first_bytes` load no DICOM library and serve every process; the others are for the child, and `outgoing` for workers.
This package knows neither the database nor Flask; the bytes of a file stay as they came.
"""
