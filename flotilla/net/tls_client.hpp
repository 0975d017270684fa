// The client's side of a connection over TLS, without the connection: what the peer sent goes in, what it is
// to be sent comes out, and in between is the plain text.
//
// For: whoever has a Channel to a server that speaks TLS (cqrs/redis_connection.hpp). TLS 1.2 or newer; the
// certificate must lead to an authority that is trusted and name the host that was asked for, or nothing is
// sent but the greeting. What is to be sent before the greeting is over waits in here. Ownership: owns all of
// it. Threads: one at a time. Limits: kMaxWaiting bytes of plain text wait for the greeting (asserted);
// create() reads its files, so what was renewed counts from the next connection on.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/net/core/tls_files.hpp"

struct ssl_st;  // NOLINT(readability-identifier-naming): OpenSSL's own name

namespace flotilla::net {

class TlsClient {
 public:
  static constexpr std::size_t kMaxWaiting = std::size_t{1} << 20;

  // For a connection to `host`, a name or an address. Errors: invalid (a file; the message names it).
  [[nodiscard]] static Result<TlsClient> create(const TlsFiles& files, const std::string& host);

  // What the peer sent; the plain text that came with it, which may be none. After either there may be
  // something to take(), an alert even after an error. Errors: denied (a certificate that is not trusted),
  // unavailable (it does not speak TLS, or refuses ours).
  [[nodiscard]] Result<std::string> receive(std::string_view bytes);
  void send(std::string_view text);
  // What the peer is to be sent now.
  [[nodiscard]] std::string take();
  // The peer has said that nothing more will come.
  [[nodiscard]] bool has_ended() const noexcept { return ended_; }

 private:
  struct Free {
    void operator()(ssl_st* session) const noexcept;
  };
  TlsClient(std::unique_ptr<ssl_st, Free> session, std::string host);
  [[nodiscard]] Result<> greet();
  [[nodiscard]] Error describe(int outcome) const;

  std::unique_ptr<ssl_st, Free> session_;
  std::string host_;
  std::string waiting_;
  bool greeted_ = false;
  bool ended_ = false;
};

}  // namespace flotilla::net
