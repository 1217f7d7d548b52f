"""The things of this app that alerts are about."""

from alerts.choices import SubjectKind
from alerts.subjects import SubjectSource, register
from tokens.models import Token, TokenGroup

register(
    {
        SubjectKind.TOKEN: SubjectSource(Token, name="description", customer="pk"),
        SubjectKind.TOKEN_GROUP: SubjectSource(TokenGroup, name="name"),
    }
)
