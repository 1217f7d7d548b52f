"""Alerts of the product about itself: processes, queues, disks, certificates, agents and clocks."""
