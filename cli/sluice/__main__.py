"""``python -m sluice``."""

from sluice.main import main

main()
