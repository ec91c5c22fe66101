"""One region for all the tests here that drive one over HTTP and only add to it."""

from tests.support.region import region, region_log_on_failure

__all__ = ["region", "region_log_on_failure"]
