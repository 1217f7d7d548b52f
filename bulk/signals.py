from django.dispatch import Signal

bulk_begun = Signal()  # bulk_id
