"""How this operator runs: images, turn length, address of its probes; from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Settings:
    """Wall seconds throughout; `namespace` is where the leader's Lease is kept."""

    namespace: str = "costwain-system"
    identity: str = "costwain"
    operator_image: str = f"costwain/operator:{version('costwain')}"
    haproxy_image: str = "haproxy:3.2"
    turn_s: float = 5.0
    debounce_s: float = 0.2
    relist_s: float = 120.0
    status_every_s: float = 10.0
    prometheus_url: str = ""  # a second way to the queues' depth
    record_dir: str = ""  # the last turns are kept there
    record_turns: int = 60
    lease_s: float = 15.0  # after a leader's death nobody decides for so long

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Reads COSTWAIN_*; raises ValueError for a number that isn't one."""
        seconds = {
            "turn_s": "COSTWAIN_TURN_SECONDS",
            "status_every_s": "COSTWAIN_STATUS_SECONDS",
            "lease_s": "COSTWAIN_LEASE_SECONDS",
            "relist_s": "COSTWAIN_RELIST_SECONDS",
        }
        texts = {
            "namespace": "COSTWAIN_NAMESPACE",
            "identity": "HOSTNAME",
            "operator_image": "COSTWAIN_IMAGE",
            "haproxy_image": "COSTWAIN_HAPROXY_IMAGE",
            "prometheus_url": "COSTWAIN_PROMETHEUS_URL",
            "record_dir": "COSTWAIN_RECORD_DIR",
        }
        found: dict[str, str | float | int] = {field: env[name] for field, name in texts.items() if env.get(name)}
        for field, name in seconds.items():
            if name in env:
                try:
                    found[field] = float(env[name])
                except ValueError:
                    raise ValueError(f"{name}: want seconds, found {env[name]!r}") from None
        if "COSTWAIN_RECORD_TURNS" in env:
            found["record_turns"] = _at_least_one("COSTWAIN_RECORD_TURNS", env["COSTWAIN_RECORD_TURNS"])
        return cls(**found)  # type: ignore[arg-type]


def _at_least_one(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{name}: want a whole number from 1, found {text!r}")
    return int(text)
