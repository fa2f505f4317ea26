"""The one version number of everything that ships from this repository."""

VERSION = "0.1.0"
CONTRACT = "v1"
