"""The public face: nginx configuration and the module that renders it."""
