// What can go wrong with a socket, as one small word; the kernel's many names are folded into what a
// caller would do differently.
#pragma once

#include <cstdint>
#include <string_view>

namespace flotilla::net {

enum class IoError : std::uint8_t {
  refused,     // nothing listens there, or no route or address: nothing was sent
  reset,       // the peer or the network broke an open connection
  timeout,     // the deadline passed first
  exhausted,   // this process or machine has no descriptor, port or memory left
  unresolved,  // the host name has no address
};

[[nodiscard]] constexpr std::string_view to_string(IoError error) noexcept {
  switch (error) {
    case IoError::refused:
      return "connection refused";
    case IoError::reset:
      return "connection reset";
    case IoError::timeout:
      return "deadline passed";
    case IoError::exhausted:
      return "out of descriptors, ports or memory";
    case IoError::unresolved:
      return "host name not resolved";
  }
  return "";
}

// From an errno of connect, send or recv.
[[nodiscard]] IoError io_error_of(int error_number) noexcept;

}  // namespace flotilla::net
