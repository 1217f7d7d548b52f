"""The admin's looks and its menu."""

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


def _file(name: str) -> Callable[[Any], str]:
    return lambda _request: static(f"console/{name}")


def _item(title: Promise, model: str, icon: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


def _page(title: Promise, name: str, icon: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"console:{name}")}


def _part(title: Promise, *items: dict[str, Any], folded: bool = False) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": folded, "items": list(items)}


UNFOLD = {
    "SITE_TITLE": "Moreh Cloud",
    "SITE_HEADER": "Moreh Cloud",
    "SITE_SUBHEADER": _("GPU cloud control plane"),
    "SITE_SYMBOL": "memory",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _file("icon.svg")}],
    "STYLES": [_file("console.css"), _file("lists.css")],
    "SCRIPTS": [_file("live.js"), _file("charts.js"), _file("menus.js"), _file("once.js"), _file("search.js")],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SHOW_LANGUAGES": True,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "console.pages.home.dashboard",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(62.3% .214 259.8)",
            "600": "oklch(54.6% .245 262.9)",
            "700": "oklch(48.8% .243 264.4)",
            "800": "oklch(42.4% .199 265.6)",
            "900": "oklch(37.9% .146 265.5)",
            "950": "oklch(28.2% .091 267.9)",
        },
    },
    # In place of unfold's own links, which are the password alone.
    "ACCOUNT": {
        "navigation": [
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Two-factor log-in"), "link": reverse_lazy("two_factor")},
        ]
    },
    "COMMAND": {"search_callback": "console.search.search"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        # Everyday pages first; what is looked up once a month lies folded at the end.
        "navigation": [
            {"items": [{"title": _("Home"), "icon": "home", "link": reverse_lazy("admin:index")}]},
            _part(
                _("Machines"),
                _page(_("Node grid"), "nodes", "grid_view"),
                _page(_("Heat map"), "heat", "apps"),
                _item(_("Nodes"), "backends_backend", "dns"),
                _item(_("Backend groups"), "backends_backendgroup", "workspaces"),
                _item(_("Tags"), "inventory_tag", "label"),
                _item(_("Custom fields"), "inventory_customfield", "edit_attributes"),
                _item(_("Devices"), "backends_device", "developer_board"),
                _item(_("Maintenance"), "backends_maintenancewindow", "construction"),
                _item(_("Repairs"), "remediation_repair", "build"),
            ),
            _part(
                _("Work"),
                _page(_("Jobs"), "jobs", "play_circle"),
                _page(_("What if"), "what-if", "alt_route"),
                _page(_("History"), "history", "history_toggle_off"),
                _item(_("Job list"), "scheduler_job", "list"),
            ),
            _part(
                _("Customers"),
                _item(_("Tokens"), "tokens_token", "badge"),
                _page(_("Who may use what"), "access", "account_tree"),
                _item(_("SDA models"), "sda_sdamodel", "category"),
                _page(_("Usage"), "usage", "bar_chart"),
                _item(_("Budgets"), "billing_budget", "savings"),
                _item(_("Statements"), "billing_statement", "receipt_long"),
                _item(_("Prices"), "billing_price", "sell"),
            ),
            _part(
                _("Watch"),
                _item(_("Alerts"), "alerts_alert", "notifications"),
                _item(_("Notification rules"), "notifications_rule", "notifications_active"),
                _item(_("Silences"), "notifications_silence", "notifications_off"),
                _item(_("Channels"), "outbox_channel", "campaign"),
                _item(_("Subscriptions"), "subscriptions_subscription", "rss_feed"),
                _item(_("Deliveries"), "outbox_delivery", "outgoing_mail"),
                _item(_("Events"), "events_event", "history"),
                _item(_("Bulk actions"), "bulk_bulkaction", "checklist"),
                _item(_("Administrators"), "accounts_operator", "admin_panel_settings"),
            ),
            _part(
                _("Records"),
                _item(_("User groups"), "tokens_tokengroup", "group"),
                _item(_("SDA model groups"), "sda_sdamodelgroup", "folder_special"),
                _item(_("Memberships"), "sda_membership", "join"),
                _item(_("SDAs"), "sda_sda", "memory_alt"),
                _item(_("Closed hours"), "usage_closedhour", "schedule"),
                _item(_("Closed days"), "usage_closedday", "event_available"),
                _item(_("Closed months"), "usage_closedmonth", "calendar_month"),
                _item(_("Power actions"), "backends_poweraction", "power_settings_new"),
                _item(_("Sensors"), "backends_sensor", "sensors"),
                _item(_("Event logs of BMCs"), "backends_bmclogentry", "receipt_long"),
                _item(_("Delivery log"), "outbox_attempt", "mark_email_read"),
                _item(_("Orders to agents"), "backends_order", "assignment"),
                _item(_("Enrolment keys"), "backends_enrolmentkey", "vpn_key"),
                _item(_("Workers"), "scheduler_worker", "precision_manufacturing"),
                _item(_("Allocations"), "scheduler_allocation", "link"),
                _item(_("Queues"), "scheduler_queue", "format_list_numbered"),
                _item(_("Signs of life"), "liveness_sign", "update"),
                _page(_("Metrics (Prometheus)"), "metrics", "monitoring"),
                folded=True,
            ),
        ],
    },
}
