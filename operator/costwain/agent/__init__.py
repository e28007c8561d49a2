"""The gateway's sidecar: watches the fleet's pods and programs HAProxy over its admin socket."""
