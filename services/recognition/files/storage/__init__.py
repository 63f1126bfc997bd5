"""Where contents of files are kept: one small interface with two ways behind it."""

from services.recognition.files.storage.interface import Missing, Storage
from services.recognition.files.storage.opening import opened

__all__ = ["Missing", "Storage", "opened"]
