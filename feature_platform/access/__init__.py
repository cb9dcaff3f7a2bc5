"""Access to the feature server: who may do what, and where it may listen.

Keys are stored as hashes, a check that cannot be made never passes, and no secret is in an error or a repr. Only
`access/jwt.py` and `access/jwks.py` import PyJWT, and only `jwt_verifier` imports them.
"""

from feature_platform.access.bind import check_bind
from feature_platform.access.key_file import AccessKey
from feature_platform.access.keyring import Keyring
from feature_platform.access.keys import create_key, list_keys, revoke_key
from feature_platform.access.provider import jwt_verifier
from feature_platform.access.scopes import Identity

__all__ = ["AccessKey", "Identity", "Keyring", "check_bind", "create_key", "jwt_verifier", "list_keys", "revoke_key"]
