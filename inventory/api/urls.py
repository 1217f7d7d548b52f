"""The addresses of REST."""

from django.urls import path

from core.api.views import COLLECTION
from inventory.api.views import CustomFieldView, TagView

urlpatterns = [
    path("inventory/tag", TagView.as_view(COLLECTION)),
    path("inventory/field", CustomFieldView.as_view(COLLECTION)),
]
