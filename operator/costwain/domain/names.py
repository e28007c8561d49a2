"""Names that more than one part of Costwain writes or reads: group, labels, annotations, ports."""

GROUP = "costwain.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "costwain"

# Labels on everything that belongs to a fleet.
MANAGED_BY = "app.kubernetes.io/managed-by"
FLEET = f"{GROUP}/fleet"
ROLE = f"{GROUP}/role"
ROLE_MODEL = "model"
ROLE_GATEWAY = "gateway"
VARIANT = f"{GROUP}/variant"
POOL = f"{GROUP}/pool"

# The drain handshake: the operator asks, the gateway's agent answers.
DRAIN = f"{GROUP}/drain"
DRAINED = f"{GROUP}/drained"
DRAIN_SINCE = f"{GROUP}/drain-since"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

# A model pod that may get new requests: what the Services of a fleet without a gateway ask for.
SERVES = f"{GROUP}/serves"

# Which of the gateway's pods get new requests, and how they divide a pod's limit (a JSON text in an annotation).
GATEWAY_SERVES = f"{GROUP}/gateway-serves"
GATEWAY_CLAIM = f"{GROUP}/gateway-claim"

# On a Deployment: the digest of all that was written with it, so that a successor knows what need not be written.
APPLIED = f"{GROUP}/applied"

# A pod is Ready only when the gateway sends it traffic.
IN_GATEWAY = f"{GROUP}/in-gateway"

MODEL_CONTAINER = "engine"
MODEL_PORT = 8000
GATEWAY_PORT = 8080
AGENT_PORT = 9090
