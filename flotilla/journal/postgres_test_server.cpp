#include "flotilla/journal/postgres_test_server.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal::test {
namespace {

void call_script(const std::string& verb, const std::string& folder) {
  const std::string command = fmt::format("python3 '{}/tests/postgres/server.py' {} '{}' {}",
                                          FLOTILLA_SOURCE_DIR, verb, folder, ::getpid());
  if (std::system(command.c_str()) != 0) {
    throw std::runtime_error(command);
  }
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  return std::getline(in, line) ? std::optional(line) : std::nullopt;
}

std::unique_ptr<pg::Connection> connect_to(const std::string& url) {
  return pg::Connection::open(pg::parse_address(url).value(), "test", Millis(60'000)).value();
}

}  // namespace

PostgresServer::PostgresServer() {
  std::string name = (std::filesystem::temp_directory_path() / "flotilla_server_XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  call_script("start", folder_);
}
PostgresServer::~PostgresServer() {
  call_script("stop", folder_);
  std::filesystem::remove_all(folder_);
}
std::optional<std::string> PostgresServer::url() const { return read_file(folder_ + "/url"); }
void PostgresServer::restart() { call_script("restart", folder_); }

std::optional<std::string> postgres_url() {
  std::optional<std::string> url;
  if (const char* folder = std::getenv("FLOTILLA_TEST_POSTGRES")) {
    url = read_file(std::string(folder) + "/url");
  } else {
    static const PostgresServer server;
    url = server.url();
  }
  if (!url) {
    std::cerr << "SKIPPED: the PostgreSQL journal is NOT tested, because no PostgreSQL is installed (Debian: "
                 "apt-get install postgresql)\n";
  }
  return url;
}

Database::Database(const std::string& server) : server_(server) {
  static int made = 0;
  name_ = fmt::format("t{}_{}", ::getpid(), ++made);
  auto on_server = connect_to(server_);
  if (auto created = on_server->query(fmt::format("CREATE DATABASE {} TEMPLATE template0", name_));
      !created) {
    throw std::runtime_error(created.error().message);
  }
  url_ = server_.substr(0, server_.rfind('/') + 1) + name_;
}

Database::~Database() {
  connection_.reset();
  auto on_server = pg::Connection::open(pg::parse_address(server_).value(), "test", Millis(60'000));
  if (!on_server) {
    return;  // the test has stopped the server
  }
  (void)(*on_server)->query(fmt::format("DROP DATABASE {} WITH (FORCE)", name_));
}

pg::Rows Database::query(const std::string& sql) {
  if (connection_ == nullptr || !connection_->is_open()) {
    connection_ = connect();
  }
  auto answer = connection_->query(sql);
  if (!answer) {
    throw std::runtime_error(answer.error().message);
  }
  return std::move(*answer);
}

std::unique_ptr<pg::Connection> Database::connect() const { return connect_to(url_); }

PostgresOptions Database::options() const {
  return {.uri = url_, .vocabulary = test::vocabulary(), .address = {}, .now = {}};
}

std::unique_ptr<PostgresJournal> Database::open() const { return PostgresJournal::open(options()).value(); }

}  // namespace flotilla::journal::test
