"""The commands of ``sluice``, by what they are about."""
