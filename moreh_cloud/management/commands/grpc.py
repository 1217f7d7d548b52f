import asyncio
from typing import Any

from django.core.management.base import CommandError

from core.commands import BaseCommand
from moreh_cloud.rpc.errors import CannotListen
from moreh_cloud.rpc.server import serve


class Command(BaseCommand):
    """Run the gRPC server."""

    help = "Serve VMs and node agents over gRPC until SIGTERM or SIGINT."
    requires_system_checks = []  # they import every page of the web

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the server; every process may serve any job and any node."""
        try:
            asyncio.run(serve())
        except CannotListen as error:
            raise CommandError(str(error)) from error
