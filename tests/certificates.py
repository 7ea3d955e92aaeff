"""Certificates for servers of tests: of an authority or self-signed, for any names and dates."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def write(self, path: Path, *, with_key: bool = True) -> Path:
        """Writes a PEM file."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        if with_key:
            private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            pem += self.key.private_bytes(serialization.Encoding.PEM, *private)
        path.write_bytes(pem)
        return path


def certificate(
    *names: str, issuer: Certificate | None = None, subject: str = "", days: tuple[int, int] = (-1, 30)
) -> Certificate:
    """A certificate for host names and addresses, valid from and until so many days from now.

    issuer: the authority; None: it signs itself. subject: its common name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(issuer.certificate.subject if issuer else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=not names and issuer is None, path_length=None), critical=True)
    )
    if names:
        alternatives = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Certificate(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)
