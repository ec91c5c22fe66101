"""A channel's files to rows: content types, labels, widths; and the shards of all hosts to one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from local_region.containers.builtin.algorithm import Algorithm, Data
from local_region.containers.common import tables
from local_region.containers.common.content import CSV, RECORDIO, parse_header
from local_region.containers.common.errors import UserError
from local_region.containers.common.hosts import Cluster
from local_region.containers.common.kept import KEPT, ONCE


def check(channels: Mapping[str, Mapping[str, Any]], algorithm: Algorithm) -> None:
    """Names, modes and content types, before any data is read. ``UserError``."""
    if "train" not in channels:
        raise UserError("Missing required channel: train")
    for name, channel in channels.items():
        if name != "train" and name not in algorithm.channels:
            known = ", ".join(["train", *algorithm.channels])
            raise UserError(f"Extraneous channel found: {name}. {algorithm.name} has: {known}.")
        _label_size(name, channel, algorithm)
        algorithm.check_channel(name, channel)


def _label_size(name: str, channel: Mapping[str, Any], algorithm: Algorithm) -> int | None:
    """Label columns of a CSV channel (1 unless said otherwise), or None for recordio-protobuf, which is the default."""
    given = channel.get("ContentType") or RECORDIO
    content_type, parameters = parse_header(given)
    if content_type == RECORDIO:
        return None
    accepted = f"{RECORDIO} or {CSV}" if algorithm.csv_training else RECORDIO
    if content_type != CSV or not algorithm.csv_training:
        raise UserError(f"Channel {name}: {given} is not an accepted ContentType: {accepted}.")
    size = parameters.get("label_size", "1")
    if size not in ("0", "1"):
        raise UserError(f"Channel {name}: label_size is {size}; accepted are 0 and 1.")
    return int(size)


def read(folder: Path, name: str, channel: Mapping[str, Any], algorithm: Algorithm) -> Data | None:
    """All rows of a channel on this host, or None when it has no file."""
    files = tables.data_files(folder / name)
    if not files:
        return None
    size = _label_size(name, channel, algorithm)
    how = (size, algorithm.only_float32)
    data, kept = KEPT.read(how, files, lambda: _rows(files, name, size, algorithm))
    once = ONCE if kept else ""
    print(f"Read {data.rows} rows of {data.width} features from {len(files)} file(s) of {name}{once}", flush=True)
    return data


def _rows(files: list[Path], name: str, size: int | None, algorithm: Algorithm) -> Data:
    if size is None:
        features, labels = tables.read_recordio(files, algorithm.only_float32)
        _check_finite(features, labels, name)
    else:
        heads, features = tables.read_cells(files, tables.Layout(size, missing=False))
        labels = heads[:, 0] if size else None
    if not features.shape[0]:
        raise UserError(f"The {name} channel holds no row.")
    return Data(features, labels)


def _check_finite(features: Any, labels: Any, name: str) -> None:
    values = features if isinstance(features, np.ndarray) else features.data
    if not np.isfinite(values).all() or (labels is not None and not np.isfinite(labels).all()):
        raise UserError(f"The {name} channel has values that are missing or infinite; this algorithm takes none.")


def check_width(data: Data, expected: Any, name: str, channel: Mapping[str, Any]) -> None:
    """``feature_dim`` against the data."""
    if expected in (None, "auto") or data.width == expected:
        return
    if not isinstance(data.features, np.ndarray) and data.width < expected:
        data.features.resize((data.rows, expected))  # sparse rows end with their last value
        return
    default = (
        "label_size" not in (channel.get("ContentType") or "")
        and parse_header(channel.get("ContentType") or "")[0] == CSV
    )
    hint = " The first column of text/csv is the label unless the content type says label_size=0." if default else ""
    raise UserError(f"feature_dim is {expected}, but the rows of the {name} channel have {data.width} features.{hint}")


def together(data: Data | None, channel: Mapping[str, Any], cluster: Cluster) -> Data | None:
    """On the first host the rows of all, as if there were one host; on the others None.

    The built-ins exchange parameters or summaries. On one machine the rows themselves cost no more, and the model is
    the same whatever the number of hosts.
    """
    if not cluster.several:
        return data
    if channel.get("S3DistributionType") != "ShardedByS3Key":
        return data if cluster.leads else None  # every host has all rows
    if not cluster.leads:
        cluster.leave("shard", lambda path: _write(data, path))
        return None
    shards = [data] + [_read(cluster.found("shard", host)) for host in cluster.hosts[1:]]
    return _joined([shard for shard in shards if shard is not None])


def _write(data: Data | None, path: Path) -> None:
    arrays: dict[str, Any] = {}
    if data is not None:
        if isinstance(data.features, np.ndarray):
            arrays["dense"] = data.features
        else:
            matrix = data.features
            arrays |= {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": matrix.shape}
        if data.labels is not None:
            arrays["labels"] = data.labels
    with path.open("wb") as sink:
        np.savez(sink, allow_pickle=False, **arrays)


def _read(path: Path) -> Data | None:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if not arrays:
        return None
    if "dense" in arrays:
        return Data(arrays["dense"], arrays.get("labels"))
    from scipy.sparse import csr_matrix

    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return Data(csr_matrix(parts, shape=tuple(arrays["shape"])), arrays.get("labels"))


def _joined(shards: list[Data]) -> Data | None:
    if len(shards) < 2:
        return shards[0] if shards else None
    labels = [shard.labels for shard in shards if shard.labels is not None]
    if labels and len(labels) != len(shards):
        raise UserError("Some hosts' rows have labels and some have none.")
    every = np.concatenate(labels) if labels else None
    dense = all(isinstance(shard.features, np.ndarray) for shard in shards)
    widths = [shard.width for shard in shards]
    if dense:
        if len(set(widths)) > 1:
            raise UserError(f"The hosts' rows have different numbers of features: {widths}.")
        return Data(np.concatenate([shard.features for shard in shards]), every)
    from scipy.sparse import csr_matrix, vstack

    parts = [csr_matrix(shard.features) for shard in shards]
    for part in parts:
        part.resize((part.shape[0], max(widths)))
    return Data(vstack(parts, format="csr"), every)
