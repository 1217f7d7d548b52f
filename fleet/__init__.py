"""The simulated fleet of `make up`: BMCs, node agents and customers' VMs, through the same interfaces as real ones.

`seed` writes what an operator would write (with Django, once); the rest is one process of its own without Django.
"""
