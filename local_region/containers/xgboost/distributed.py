"""Training on several hosts: each has a share of the rows, XGBoost's own collective makes one model of them all.

As in the built-in: the first host runs XGBoost's tracker, hosts without data take no part, the member of rank 0 prints
the metrics and saves the model. https://xgboost.readthedocs.io/en/stable/python/python_api.html#module-xgboost.collective
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from xgboost import collective
from xgboost.tracker import RabitTracker

from local_region.containers.common.errors import UserError
from local_region.containers.common.hosts import WAIT_SECONDS, Cluster

_LOOPBACK = "127.0.0.1"


def check(values: Mapping[str, Any]) -> None:
    """``UserError`` for what XGBoost has on one host only."""
    alone = {
        "_kfold": "_kfold" in values,
        "booster gblinear": values.get("booster") == "gblinear",
        "tree_method exact": values.get("tree_method") == "exact",
        "updater grow_colmaker": "grow_colmaker" in values.get("updater", []),
    }
    for what, given in alone.items():
        if given:
            raise UserError(f"{what} trains on one instance only: set InstanceCount to 1, or leave it out.")


def threads() -> int:
    """OpenMP has read ``OMP_NUM_THREADS`` before this process had it, so XGBoost is told by its own parameter."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


@dataclass(frozen=True)
class Member:
    """This host's part in the training. ``first``: it prints and saves."""

    first: bool = True
    several: bool = False

    def width(self, own: int, dense: bool) -> int:
        """The number of features of all shares together. A dense share is as wide as the others."""
        if not self.several:
            return own
        most = int(collective.allreduce(np.array([own], np.int64), collective.Op.MAX)[0])
        least = int(collective.allreduce(np.array([own], np.int64), collective.Op.MIN)[0])
        if dense and most != least:
            raise UserError(f"The hosts' files have different numbers of features: from {least} to {most}.")
        return most


@contextmanager
def joined(cluster: Cluster, has_data: bool) -> Iterator[Member]:
    """Within, the hosts that have data are one group. ``UserError`` when none has."""
    if not cluster.several:
        yield Member()
        return
    cluster.leave("data", lambda path: path.write_text(json.dumps(has_data)))
    tracker = _track(cluster) if cluster.leads else None
    told = json.loads(cluster.found("tracker", cluster.hosts[0]).read_text())
    if not told["members"]:
        raise UserError("No data in the training channel of any host.")
    if not has_data:
        print(f"Host {cluster.current} has no data and takes no part in the training", flush=True)
        yield Member(first=False, several=True)
    else:
        rank = told["members"].index(cluster.current)
        collective.init(**told["worker"], dmlc_task_id=f"{rank:05d}")
        print(f"Host {cluster.current} is member {rank + 1} of {len(told['members'])}", flush=True)
        yield Member(first=collective.get_rank() == 0, several=True)
        # Not after a failure: it would wait for the others, and the platform for it.
        collective.finalize()
    if tracker is not None:
        tracker.wait_for(timeout=int(WAIT_SECONDS) if has_data else None)


def _track(cluster: Cluster) -> RabitTracker | None:
    members = [host for host in cluster.hosts if json.loads(cluster.found("data", host).read_text())]
    tracker = None
    told: dict[str, Any] = {"members": members}
    if members:
        tracker = RabitTracker(n_workers=len(members), host_ip=_LOOPBACK, sortby="task")
        tracker.start()
        told["worker"] = tracker.worker_args()
    cluster.leave("tracker", lambda path: path.write_text(json.dumps(told)))
    return tracker
