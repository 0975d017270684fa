#include "flotilla/net/tls_client.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace flotilla::net {
namespace {

using testing::HasSubstr;

struct Pair {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

// A certificate, signed by `authority` or by itself, for good: it is a test's.
Pair make_pair(const std::string& name, const char* names, const Pair* authority) {
  static long serial = 0;
  Pair made{.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
  X509* const c = made.certificate;
  X509_set_version(c, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(c), -3600);
  X509_gmtime_adj(X509_getm_notAfter(c), 3600);
  X509_set_pubkey(c, made.key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(c, X509_get_subject_name(authority == nullptr ? c : authority->certificate));
  const auto extend = [c](int what, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
    X509_add_ext(c, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, authority == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (names != nullptr) {
    extend(NID_subject_alt_name, names);
  }
  X509_sign(c, authority == nullptr ? made.key : authority->key, EVP_sha256());
  return made;
}

void free_pair(const Pair& pair) {
  EVP_PKEY_free(pair.key);
  X509_free(pair.certificate);
}

// A server in memory, and the files of whoever speaks to it.
class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + fmt::format("tls_client_{}_{}", ::getpid(),
                                               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    authority_ = make_pair("authority", nullptr, nullptr);
    stranger_ = make_pair("stranger", nullptr, nullptr);
    server_ = make_pair("server", "DNS:cache.internal,IP:127.0.0.1", &authority_);
    client_ = make_pair("client", nullptr, &authority_);
    write("ca.pem", authority_.certificate, nullptr);
    write("stranger.pem", stranger_.certificate, nullptr);
    write("client.pem", client_.certificate, nullptr);
    write("client.key", nullptr, client_.key);
    write("server.key", nullptr, server_.key);
  }
  void TearDown() override {
    SSL_free(peer_);
    SSL_CTX_free(context_);
    for (const Pair& pair : {authority_, stranger_, server_, client_}) {
      free_pair(pair);
    }
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, X509* certificate, EVP_PKEY* key) const {
    FILE* const out = std::fopen(file(name).c_str(), "w");
    if (certificate != nullptr) {
      PEM_write_X509(out, certificate);
    } else {
      PEM_write_PKCS8PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    }
    std::fclose(out);
  }

  void serve(int most = TLS1_3_VERSION, bool asks = false) {
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, most);
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_use_certificate(context_, server_.certificate);
    SSL_CTX_use_PrivateKey(context_, server_.key);
    if (asks) {
      SSL_CTX_load_verify_file(context_, file("ca.pem").c_str());
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    peer_ = SSL_new(context_);
    SSL_set_bio(peer_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(peer_);
  }

  // Bytes go to and fro, in pieces, until neither has more; what the server then has read is in heard_.
  Result<std::string> exchange(TlsClient& client, std::size_t piece = 100'000) {
    std::string got;
    for (int quiet = 0; quiet < 2;) {
      ++quiet;
      if (const std::string bytes = client.take(); !bytes.empty()) {
        quiet = 0;
        BIO_write(SSL_get_rbio(peer_), bytes.data(), static_cast<int>(bytes.size()));
      }
      std::array<char, 4096> text{};
      for (int count = 0; (count = SSL_read(peer_, text.data(), text.size())) > 0;) {
        heard_.append(text.data(), static_cast<std::size_t>(count));
      }
      std::string back(BIO_ctrl_pending(SSL_get_wbio(peer_)), '\0');
      BIO_read(SSL_get_wbio(peer_), back.data(), static_cast<int>(back.size()));
      for (std::size_t at = 0; at < back.size(); at += piece) {
        quiet = 0;
        auto more = client.receive(std::string_view(back).substr(at, piece));
        if (!more) {
          return more;
        }
        got += *more;
      }
    }
    return got;
  }
  void say(std::string_view text) { SSL_write(peer_, text.data(), static_cast<int>(text.size())); }

  std::string folder_;
  Pair authority_, stranger_, server_, client_;
  SSL_CTX* context_ = nullptr;
  SSL* peer_ = nullptr;
  std::string heard_;
};

TEST_F(TlsTest, SpeaksWithWhomItTrusts) {
  for (const char* const host : {"cache.internal", "127.0.0.1"}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      serve(version);
      heard_.clear();
      auto client = TlsClient::create({.ca = file("ca.pem"), .certificate = {}, .key = {}}, host);
      ASSERT_TRUE(client) << client.error().message;
      client->send("said before the greeting; ");
      ASSERT_TRUE(exchange(*client, 7));  // in pieces of any size
      client->send("and behind it");
      say("answer");
      EXPECT_EQ(exchange(*client, 1), "answer");
      EXPECT_EQ(heard_, "said before the greeting; and behind it");
      const std::string large(300'000, 'x');
      client->send(large);
      say(large);
      EXPECT_EQ(exchange(*client), large);
      EXPECT_EQ(heard_.size(), 39 + large.size());
      EXPECT_FALSE(client->has_ended());
      SSL_shutdown(peer_);
      ASSERT_TRUE(exchange(*client));
      EXPECT_TRUE(client->has_ended());
      SSL_free(std::exchange(peer_, nullptr));
      SSL_CTX_free(std::exchange(context_, nullptr));
    }
  }
}

TEST_F(TlsTest, RefusesWhomItDoesNotTrustBeforeAnythingIsSaid) {
  struct Try {
    const char* ca;
    const char* host;
    const char* why;
  };
  for (const Try& each : {Try{"stranger.pem", "cache.internal", "unable to get local issuer certificate"},
                          Try{"", "cache.internal", "unable to get local issuer certificate"},
                          Try{"ca.pem", "other.internal", "hostname mismatch"},
                          Try{"ca.pem", "127.0.0.2", "IP address mismatch"}}) {
    serve();
    auto client = TlsClient::create(
        {.ca = *each.ca == '\0' ? std::string() : file(each.ca), .certificate = {}, .key = {}}, each.host);
    ASSERT_TRUE(client) << client.error().message;
    client->send("the password");
    const auto refused = exchange(*client);
    ASSERT_FALSE(refused) << each.host;
    EXPECT_EQ(refused.error().code, Errc::denied);
    EXPECT_THAT(refused.error().message, HasSubstr(each.why));
    EXPECT_THAT(refused.error().message, HasSubstr(each.host));
    client->send("again");
    const std::string alert = client->take();
    EXPECT_FALSE(alert.empty());
    BIO_write(SSL_get_rbio(peer_), alert.data(), static_cast<int>(alert.size()));
    std::array<char, 64> text{};
    EXPECT_LE(SSL_read(peer_, text.data(), text.size()), 0);
    EXPECT_EQ(heard_, "");
    SSL_free(std::exchange(peer_, nullptr));
    SSL_CTX_free(std::exchange(context_, nullptr));
  }
}

TEST_F(TlsTest, SpeaksNoOldVersion) {
  serve(TLS1_1_VERSION);
  auto client = TlsClient::create({.ca = file("ca.pem"), .certificate = {}, .key = {}}, "127.0.0.1");
  ASSERT_TRUE(client);
  const auto refused = exchange(*client);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("version"));
}

TEST_F(TlsTest, ShowsItsCertificateToWhomAsks) {
  serve(TLS1_3_VERSION, true);
  auto client = TlsClient::create(
      {.ca = file("ca.pem"), .certificate = file("client.pem"), .key = file("client.key")}, "127.0.0.1");
  ASSERT_TRUE(client) << client.error().message;
  client->send("hello");
  ASSERT_TRUE(exchange(*client));
  EXPECT_EQ(heard_, "hello");
}

TEST_F(TlsTest, SaysThatOneIsAskedFor) {
  serve(TLS1_3_VERSION, true);
  auto client = TlsClient::create({.ca = file("ca.pem"), .certificate = {}, .key = {}}, "127.0.0.1");
  ASSERT_TRUE(client);
  const auto refused = exchange(*client);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("certificate required"));
}

TEST_F(TlsTest, SaysThatThePeerSpeaksSomethingElse) {
  auto client = TlsClient::create({.ca = file("ca.pem"), .certificate = {}, .key = {}}, "127.0.0.1");
  ASSERT_TRUE(client);
  const auto refused = client->receive("-ERR unknown command\r\n");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("TLS: wrong version number"));
}

TEST_F(TlsTest, NamesTheFileThatCannotBeUsed) {
  const auto said = [](TlsFiles files) {
    const auto made = TlsClient::create(files, "host");
    return made ? std::string() : made.error().message;
  };
  EXPECT_THAT(said({.ca = file("none.pem"), .certificate = {}, .key = {}}),
              HasSubstr("none.pem' cannot be used: No such file or directory"));
  std::ofstream(file("empty.pem")) << "nothing\n";
  EXPECT_THAT(said({.ca = file("empty.pem"), .certificate = {}, .key = {}}), HasSubstr("empty.pem"));
  EXPECT_THAT(said({.ca = file("ca.pem"), .certificate = file("empty.pem"), .key = {}}),
              HasSubstr("empty.pem"));
  EXPECT_THAT(said({.ca = {}, .certificate = file("client.pem"), .key = file("none.key")}),
              HasSubstr("none.key"));
  EXPECT_THAT(said({.ca = {}, .certificate = file("client.pem"), .key = file("server.key")}),
              HasSubstr("server.key"));
}

}  // namespace
}  // namespace flotilla::net
