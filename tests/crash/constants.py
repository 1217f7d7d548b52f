"""What judge, nodes and tests must agree on."""

NODES, DEVICES = 3, 4
SIZES = (1, 2, 4, 6)  # devices of the customers' models; 6 only fit on two nodes
BMC_USER, BMC_PASSWORD = "crash", "crash-password"
