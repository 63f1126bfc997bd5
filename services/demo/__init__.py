"""A demo organisation to try things out in."""

from services.demo.command_line import main
from services.demo.filling import Demo, fill
from services.demo.organisation import Account

__all__ = ["Account", "Demo", "fill", "main"]
