from django.db import migrations


class Migration(migrations.Migration):
    """Our own access tokens replace those of django-rest-knox, whose table an old installation may have."""

    dependencies = [
        ("accounts", "0002_access_and_mail"),
    ]

    operations = [
        migrations.RunSQL("DROP TABLE IF EXISTS knox_authtoken", migrations.RunSQL.noop),
    ]
