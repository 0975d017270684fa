// Asking a running process: one request to its management API.
//
// For: the client verbs of the command line. Ownership: values. Threads: runs a loop of its own on the
// calling thread, so it must not be called on a loop. Limits: kAskTimeout for everything, 10 MiB of answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "flotilla/base/error.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::app {

inline constexpr std::chrono::seconds kAskTimeout{5};

struct AdminTarget {
  std::string url = "http://127.0.0.1:9900";  // http://HOST[:PORT], port 80 where none is named
  std::string token_file;                     // holds the bearer token; empty: none is sent
};

// http://HOST[:PORT], taken apart.
struct HttpPlace {
  std::string authority;
  std::string host;  // without brackets
  std::uint16_t port = 0;
};
// Errors: invalid; the message begins with `option`.
[[nodiscard]] Result<HttpPlace> parse_http_url(const std::string& option, const std::string& url);

// One line of visible characters. Errors: invalid, io; the message names the file.
[[nodiscard]] Result<std::string> read_token_file(const std::string& path);

// The answer, whatever its status. Errors: invalid (the URL, the token file's content), io (the token file
// cannot be read), unavailable, timeout, limit; each message names the URL or the file.
[[nodiscard]] Result<http::Response> ask_admin(const AdminTarget& target, http::Request request);

}  // namespace flotilla::app
