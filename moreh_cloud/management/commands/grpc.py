import asyncio
from typing import Any

from django.core.management.base import BaseCommand

from moreh_cloud.rpc.server import serve


class Command(BaseCommand):
    help = "Serve VMs and node agents over gRPC until SIGTERM or SIGINT."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the server; every process may serve any job and any node."""
        asyncio.run(serve())
