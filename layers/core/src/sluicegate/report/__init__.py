"""A run's report as people read it: numbers in, one HTML file out. Pure text, no packages."""
