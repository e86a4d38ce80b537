# Golden values of signatures, by an independent program: Python and its package `cryptography`.
import hashlib, json
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

key = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, section 7.1
)
public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
payload = {"b": [1, True, None], "a": "é"}
# For these values sorted keys and no white space are RFC 8785.
canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

print(public.hex(), hashlib.sha256(public).hexdigest())
names = ["job", "result", "challenge", "enrolment", "enrolled", "bundle"]
for domain in [f"bitfleet/{name}@1" for name in names]:
    print(domain, key.sign(domain.encode() + b"\0" + canonical.encode()).hex())
