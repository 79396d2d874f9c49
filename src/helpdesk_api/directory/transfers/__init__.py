"""Client cards as files: exports of what a caller sees, and imports of what another system has."""
