"""Encrypt the environments of tokens. Copies in backups and in free pages of the database file stay as they were."""

from typing import Any

from django.db import migrations

import core.crypto

BATCH = 500


def encrypt(apps: Any, _schema_editor: object) -> None:
    tokens = apps.get_model("tokens", "Token")._base_manager
    batch = []
    for token in tokens.exclude(plain_env={}).only("pk", "plain_env").iterator(chunk_size=BATCH):
        token.env = token.plain_env
        batch.append(token)
        if len(batch) == BATCH:
            tokens.bulk_update(batch, ["env"])
            batch = []
    tokens.bulk_update(batch, ["env"])


def decrypt(apps: Any, _schema_editor: object) -> None:
    tokens = apps.get_model("tokens", "Token")._base_manager
    for token in tokens.exclude(env="").only("pk", "env").iterator(chunk_size=BATCH):
        tokens.filter(pk=token.pk).update(plain_env=token.env)


class Migration(migrations.Migration):
    dependencies = [("tokens", "0003_stopped")]

    operations = [
        migrations.RenameField("token", "env", "plain_env"),
        migrations.AddField(
            "token",
            "env",
            core.crypto.EncryptedMapField(
                blank=True, default=dict, help_text="Variables for its workers.", verbose_name="environment"
            ),
        ),
        migrations.RunPython(encrypt, decrypt),
        migrations.RemoveField("token", "plain_env"),
    ]
