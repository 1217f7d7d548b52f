from django.db import models


class Node(models.Model):
    """A plain model: what a list of nodes shows when nothing in it is live."""

    name = models.CharField(max_length=128)
    ip = models.GenericIPAddressField()
    status = models.CharField(max_length=16)
    group = models.CharField(max_length=64)
    devices = models.PositiveIntegerField()
    used_memory = models.PositiveIntegerField()
    last_seen = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def numbered(cls, number: int) -> "Node":
        """Return the row of a number."""
        ip = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"
        pool = f"pool-{number % 10:02}"
        return cls(name=f"gpu-{number:05}", ip=ip, status="ACTIVE", group=pool, devices=8, used_memory=number)
