// A real PostgreSQL for tests: one server for the run, a fresh database for each test.
//
// Under ctest a fixture starts the server and FLOTILLA_TEST_POSTGRES names its folder; a test program that is
// run by hand starts one of its own, which ends with it, also when it aborts or is killed. Where there is no
// PostgreSQL, tests are skipped, loudly.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "flotilla/journal/postgres.hpp"
#include "flotilla/journal/postgres_journal.hpp"

namespace flotilla::journal::test {

// A server of one's own, for tests that stop it.
class PostgresServer {
 public:
  PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();
  // Nothing where there is no PostgreSQL.
  [[nodiscard]] std::optional<std::string> url() const;
  void restart();

 private:
  std::string folder_;
};

// Of the run's server. Nothing where there is no PostgreSQL: then skip_reason() says why.
[[nodiscard]] std::optional<std::string> postgres_url();

class Database {
 public:
  explicit Database(const std::string& server);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();
  [[nodiscard]] const std::string& url() const { return url_; }

  // Over a connection of the test's own; throws what the server says.
  pg::Rows query(const std::string& sql);
  void execute(const std::string& sql) { (void)query(sql); }
  [[nodiscard]] std::int64_t number(const std::string& sql) { return query(sql).number(0, 0); }
  // One more of those.
  [[nodiscard]] std::unique_ptr<pg::Connection> connect() const;
  // Ends every other connection to this database.
  void cut_all() {
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid "
        "<> pg_backend_pid()");
  }

  [[nodiscard]] PostgresOptions options() const;
  [[nodiscard]] std::unique_ptr<PostgresJournal> open() const;

 private:
  std::string server_;
  std::string name_;
  std::string url_;
  std::unique_ptr<pg::Connection> connection_;
};

}  // namespace flotilla::journal::test
