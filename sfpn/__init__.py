"""SqueezeFacePoseNet: the network, its preprocessing, the verification protocol and every number the demo shows."""
