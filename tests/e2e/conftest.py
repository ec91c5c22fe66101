"""One region without the application for all the files of a process: they name what they make."""

from tests.support.region import region, region_log_on_failure

__all__ = ["region", "region_log_on_failure"]
