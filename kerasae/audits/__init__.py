"""The audit: what compression does to marks that people have, and to whom."""
