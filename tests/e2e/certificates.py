"""Certificates of a test's own, made with the program openssl: an authority, and what it signs."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def needed():
    """Ends the script with SKIPPED where they cannot be made."""
    if shutil.which("openssl") is None:
        print("SKIPPED: the program openssl is not installed (Debian: apt-get install openssl)")
        sys.exit(SKIPPED)


class Authority:
    """ca.pem in a folder that goes with it."""

    def __init__(self, name="authority"):
        self.temporary = tempfile.TemporaryDirectory(prefix="flotilla-certificates-")
        self.folder = pathlib.Path(self.temporary.name)
        self.ca = self.folder / "ca.pem"
        self._make(name, self.ca, self.folder / "ca.key")

    def issue(self, name, names=""):
        """The paths of a certificate for these names, such as IP:127.0.0.1,DNS:localhost, and of its key (PKCS #8)."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        more = ["-addext", f"subjectAltName={names}"] if names else []
        self._make(name, certificate, key, "-CA", str(self.ca), "-CAkey", str(self.folder / "ca.key"), "-addext",
                   "basicConstraints=critical,CA:FALSE", *more)
        return certificate, key

    @staticmethod
    def _make(name, certificate, key, *more):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2",
                        "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate), *more],
                       check=True, capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()
