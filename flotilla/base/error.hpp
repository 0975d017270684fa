// Results: what can fail says so in its type.
//
// For: errors that are part of normal operation (bad input, a peer that is away). What cannot happen
// is asserted (assert.hpp). No exception crosses a module border; third-party ones are caught at the
// border of the file that calls the third party.
// `Error::message` names the thing, the place and the way out; it is shown to people as it is.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace flotilla {

enum class Errc : unsigned char {
  invalid,      // the input is wrong; retrying the same input fails again
  not_found,    // the named thing does not exist
  conflict,     // it exists already, or changed meanwhile
  limit,        // a bound was reached
  unavailable,  // a peer or the system cannot do it now
  timeout,      // the deadline passed
  unsupported,  // understood, but not in this build
  io,           // the system refused an operation
  denied,       // not allowed
};

struct Error {
  Errc code = Errc::invalid;
  std::string message;
};

template <class T = void>
using Result = std::expected<T, Error>;

// fail(Errc::invalid, "port 0 is not a port") in a return statement.
[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace flotilla
