from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "moreh_cloud.accounts"
    label = "accounts"
    verbose_name = _("Operators")
    default_auto_field = "django.db.models.BigAutoField"
