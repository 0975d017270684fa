#include "flotilla/net/tls_client.hpp"

#include <array>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::net {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

// The first of what OpenSSL has noted on this thread, which it forgets.
std::string noted() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) {
    return std::generic_category().message(ERR_GET_REASON(code));
  }
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "it gave no reason" : reason;
}

std::unexpected<Error> bad_file(std::string_view what, const std::string& path) {
  return fail(Errc::invalid, fmt::format("{} '{}' cannot be used: {}", what, path, noted()));
}

// Instead of asking at the terminal.
int no_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* /*context*/) { return 0; }

Result<> load(SSL_CTX& context, const TlsFiles& files) {
  SSL_CTX_set_default_passwd_cb(&context, &no_passphrase);
  if (files.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(&context) != 1) {
      return fail(Errc::invalid, fmt::format("the system's certificates cannot be used: {}", noted()));
    }
  } else if (SSL_CTX_load_verify_file(&context, files.ca.c_str()) != 1) {
    return bad_file("the file of trusted certificates", files.ca);
  }
  if (files.certificate.empty()) {
    return {};
  }
  if (SSL_CTX_use_certificate_chain_file(&context, files.certificate.c_str()) != 1) {
    return bad_file("the certificate", files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(&context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("the key", files.key);
  }
  if (SSL_CTX_check_private_key(&context) != 1) {
    return bad_file("the key of another certificate", files.key);
  }
  return {};
}

// The name that the certificate must have.
bool expect(SSL& session, const std::string& host) {
  if (SocketAddress::from_ip(host, 0)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&session), host.c_str()) == 1;
  }
  SSL_set_hostflags(&session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(&session, host.c_str()) == 1 && SSL_set_tlsext_host_name(&session, host.c_str()) == 1;
}

}  // namespace

void TlsClient::Free::operator()(ssl_st* session) const noexcept { SSL_free(session); }

TlsClient::TlsClient(std::unique_ptr<ssl_st, Free> session, std::string host)
    : session_(std::move(session)), host_(std::move(host)) {}

Result<TlsClient> TlsClient::create(const TlsFiles& files, const std::string& host) {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) {
    return fail(Errc::unavailable, fmt::format("TLS cannot be used: {}", noted()));
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (auto loaded = load(*context, files); !loaded) {
    return std::unexpected(std::move(loaded.error()));
  }
  std::unique_ptr<ssl_st, Free> session(SSL_new(context.get()));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  FLOTILLA_ASSERT(session != nullptr && in != nullptr && out != nullptr);
  SSL_set_bio(session.get(), in, out);  // which it owns from now on
  SSL_set_connect_state(session.get());
  if (!expect(*session, host)) {
    return fail(Errc::invalid, fmt::format("'{}' is no name that a certificate can have", host));
  }
  TlsClient made(std::move(session), host);
  (void)made.greet();  // its first words; nothing can be wrong with them
  return made;
}

// What an outcome below 1 means.
Error TlsClient::describe(int outcome) const {
  const int error = SSL_get_error(session_.get(), outcome);
  if (const long verdict = SSL_get_verify_result(session_.get()); verdict != X509_V_OK) {
    ERR_clear_error();
    return {Errc::denied, fmt::format("its certificate is not trusted as that of {}: {}", host_,
                                      X509_verify_cert_error_string(verdict))};
  }
  if (error == SSL_ERROR_SSL) {
    return {Errc::unavailable, fmt::format("TLS: {}", noted())};
  }
  ERR_clear_error();
  return {Errc::unavailable, "it has closed the connection"};
}

Result<> TlsClient::greet() {
  if (greeted_) {
    return {};
  }
  ERR_clear_error();
  const int outcome = SSL_do_handshake(session_.get());
  if (outcome != 1) {
    if (SSL_get_error(session_.get(), outcome) == SSL_ERROR_WANT_READ) {
      return {};
    }
    return std::unexpected(describe(outcome));
  }
  greeted_ = true;
  send(std::exchange(waiting_, {}));
  return {};
}

Result<std::string> TlsClient::receive(std::string_view bytes) {
  BIO_write(SSL_get_rbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
  if (auto greeted = greet(); !greeted) {
    return std::unexpected(std::move(greeted.error()));
  }
  std::string text;
  std::array<char, 16 << 10>
      piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled before it is read
  while (greeted_) {
    ERR_clear_error();
    const int count = SSL_read(session_.get(), piece.data(), static_cast<int>(piece.size()));
    if (count > 0) {
      text.append(piece.data(), static_cast<std::size_t>(count));
      continue;
    }
    const int error = SSL_get_error(session_.get(), count);
    if (error == SSL_ERROR_ZERO_RETURN) {
      ended_ = true;
    } else if (error != SSL_ERROR_WANT_READ) {
      return std::unexpected(describe(count));
    }
    break;
  }
  return text;
}

void TlsClient::send(std::string_view text) {
  if (!greeted_) {
    FLOTILLA_ASSERT(waiting_.size() + text.size() <= kMaxWaiting);
    waiting_.append(text);
    return;
  }
  ERR_clear_error();
  for (std::size_t sent = 0; sent < text.size();) {
    std::size_t more = 0;
    // Into memory, which is never full; after a fatal error nothing is sent any more.
    if (SSL_write_ex(session_.get(), text.data() + sent, text.size() - sent, &more) != 1) {
      ERR_clear_error();
      return;
    }
    sent += more;
  }
}

std::string TlsClient::take() {
  BIO* const out = SSL_get_wbio(session_.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) {
    const int count = BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    FLOTILLA_ASSERT(count == static_cast<int>(bytes.size()));
  }
  return bytes;
}

}  // namespace flotilla::net
