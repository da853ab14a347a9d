"""What the exporter collects, one module a source: each knows its own part of the platform, and none of the others."""
