"""Bodies and queries in, resources out; built once, never per request."""
