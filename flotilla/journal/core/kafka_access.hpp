// How brokers of Kafka are reached, and as whom.
//
// For: the file's reader and the client (kafka_client.hpp). Ownership: values. Threads: values. Limits: none
// of its own. The password is what no message may show.
#pragma once

#include <string>

#include "flotilla/net/core/tls_files.hpp"

namespace flotilla::journal::kafka {

struct Access {
  std::string brokers;  // HOST:PORT, with commas between
  bool tls = false;
  net::TlsFiles files;  // where they speak TLS
  std::string user;     // of SASL; empty: none
  std::string password;
  std::string mechanism;  // as SASL names it: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
  friend bool operator==(const Access&, const Access&) = default;
};

}  // namespace flotilla::journal::kafka
