"""Make DICOM objects of a released report, for the hospital's archive: PDF, picture, structured report.

    release ─▶ ReportObject (who, which study, which version) ─▶ encapsulated_pdf ┐
                                                              ─▶ secondary_capture├─▶ bytes of a file ─▶ C-STORE, STOW-RS
                                                              ─▶ text_report      ┘

All is ISO_IR 192 (UTF-8) in Explicit VR Little Endian. UIDs follow from the report's id and version, so that a repetition is
the same object, and a new version is a new object that names the old one. Workers call this; it loads pydicom, but opens no
stranger's file. Units and modules: PS3.3 A.45.1 (PDF), A.8.1 (capture), A.35.1 (Basic Text SR); PS3.16 TID 2000.
"""
