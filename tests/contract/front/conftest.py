"""These tests drive a real region over HTTP."""

from tests.support.region import region, region_log_on_failure

__all__ = ["region", "region_log_on_failure"]
