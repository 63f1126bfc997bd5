"""Peerly as the processes that it runs as in production, on one machine: four services behind nginx."""

from services.processes.settings import CannotStart, ProcessSettings
from services.processes.system import Processes, main

__all__ = ["CannotStart", "ProcessSettings", "Processes", "main"]
