"""Process nodes: a kubelet's stand-in that runs pods as processes of this machine, without root or namespaces.

A node registers itself and keeps its heartbeat; each pod bound to it has a loopback address of its own,
volumes, variables, a service account, probes, readiness gates, hooks, grace periods and restarts as on a
real node. What differs, and why:

- An image is a name for a command. `0.0.0.0` and mount paths in a manifest are translated; they are not in
  the content of files, so a configuration file must take addresses and paths from variables.
- There is no HTTPS server behind a node: `kubectl logs`, `exec` and `port-forward` do not work. Output lies in
  `<root>/logs/<namespace>_<pod>_<uid>/<container>/<restart>.log`.
- Limits are counted by the scheduler, not enforced. There are no Events.
- A crash loop waits 1, 2, 4, ... 30 s (a kubelet: 10, 20, ... 300 s); the first restart is at once on both.
- A changed ConfigMap or Secret reaches its files at once, where a kubelet takes up to a minute.
- A container's processes are killed when its manager dies, since no later manager could await them.

Linux only: it needs 127.0.0.0/8, pidfds and /proc.
"""

from costwain.local.node.manager import NodeManager
from costwain.local.node.registration import NodeNameTakenError
from costwain.local.node.specs import ImageCommand, NodeSpec, Timing, default_images, parse_taint

__all__ = [
    "ImageCommand",
    "NodeManager",
    "NodeNameTakenError",
    "NodeSpec",
    "Timing",
    "default_images",
    "parse_taint",
]
