"""One function per command, each inside a given transaction of the right organisation."""
