from django.contrib import admin

from benchmarks.console.plain.models import Node


@admin.register(Node)
class NodeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Django's list as it comes, with as many columns and rows as our list of nodes."""

    list_display = ("name", "ip", "status", "group", "devices", "used_memory", "last_seen")
    search_fields = ("name",)
