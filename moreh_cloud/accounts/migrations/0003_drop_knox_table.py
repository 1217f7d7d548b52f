from django.db import migrations


class Migration(migrations.Migration):
    """Our own access tokens replace knox's, whose migrations make the table nevertheless: its key holds operators."""

    dependencies = [
        ("accounts", "0002_access_and_mail"),
        ("knox", "0009_extend_authtoken_field"),
    ]

    operations = [
        migrations.RunSQL("DROP TABLE IF EXISTS knox_authtoken", migrations.RunSQL.noop),
    ]
