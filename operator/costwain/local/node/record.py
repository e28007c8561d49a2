"""When pods were here: an append-only log that owes nothing to the API server's own account."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from costwain.adapters.kube import Object

FILE = "pods.jsonl"


@dataclass
class PodRecord:
    """Writes a line when a pod is seen bound to a node of ours, and one with `gone_s` when it has left.

    Wall unix seconds. `bound_s`: the node first saw the pod. `ended_s`: its last process had ended.
    `gone_s`: its object was gone, or its node was. `labels`: the pod's; `node_labels`: the node's, the pool's
    among them. A reader keeps the last line of each uid.
    """

    path: Path
    pod: Object
    node_labels: Mapping[str, str]
    bound_s: float = 0
    ended_s: float | None = None
    gone_s: float | None = None

    def bound(self) -> None:
        """Notes that the pod is here, and writes."""
        self.bound_s = time.time()
        self.write()

    def ended(self) -> None:
        """Notes that the last process has ended; only the first time counts."""
        self.ended_s = self.ended_s or time.time()

    def object_gone(self) -> None:
        """Notes that the pod has left; only the first time counts."""
        self.gone_s = self.gone_s or time.time()

    def write(self) -> None:
        """Appends what is known; raises OSError."""
        metadata = self.pod["metadata"]
        line = {
            "uid": metadata["uid"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "node": self.pod["spec"]["nodeName"],
            "labels": metadata.get("labels", {}),
            "node_labels": dict(self.node_labels),
            "bound_s": round(self.bound_s, 3),
            "ended_s": self.ended_s and round(self.ended_s, 3),
            "gone_s": self.gone_s and round(self.gone_s, 3),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
