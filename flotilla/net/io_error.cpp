#include "flotilla/net/io_error.hpp"

#include <cerrno>

namespace flotilla::net {

IoError io_error_of(int error_number) noexcept {
  switch (error_number) {
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EACCES:
    case EPERM:
      return IoError::refused;
    case ETIMEDOUT:
      return IoError::timeout;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EAGAIN:
      return IoError::exhausted;
    default:
      return IoError::reset;
  }
}

}  // namespace flotilla::net
