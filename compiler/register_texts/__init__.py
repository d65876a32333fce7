"""The register map in the forms that others read."""
