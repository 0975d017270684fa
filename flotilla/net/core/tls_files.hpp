// Whom a connection over TLS trusts, and who it says it is, as paths of PEM files.
//
// For: the parts of the file that name a server, and tls_client.hpp. Ownership: values. Threads: values.
#pragma once

#include <string>

namespace flotilla::net {

struct TlsFiles {
  std::string ca;           // whose certificates are trusted; empty: those that the system trusts
  std::string certificate;  // of this side, with those between it and its authority; empty: none is shown
  std::string key;          // of that certificate, without a passphrase
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

}  // namespace flotilla::net
