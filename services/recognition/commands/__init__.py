"""One function a command, each inside a transaction of the caller's."""
