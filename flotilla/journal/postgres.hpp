// A connection to PostgreSQL on which nothing waits longer than it was told to.
//
// For: the shared store of the journal; nothing else speaks to libpq.
// Names and bodies travel as bytea, numbers as bigint, both in binary. Statements are written with numbered
//   parameters; no value is ever put into the text of one.
// Failure: a statement that fails leaves the connection usable; one that does not end in time, or a lost
//   connection, closes it (is_open()). No message holds the password.
// Ownership: owns the connection. Threads: one at a time. Limits: arguments of 1 GiB, which is PostgreSQL's.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

struct pg_conn;    // libpq's PGconn
struct pg_result;  // and PGresult

namespace flotilla::journal::pg {

struct Failure {
  std::string message;
  std::string state;  // SQLSTATE; empty where the server did not speak
  bool lost = false;  // the connection is closed: what was under way may have happened
  [[nodiscard]] bool is(std::string_view sqlstate) const noexcept { return state == sqlstate; }
};
[[nodiscard]] Error to_error(const Failure& failure);

// Where the store is, without saying who may enter.
struct Address {
  std::string uri;       // as configured; may hold a password
  std::string name;      // for people: postgres://HOST:PORT/DATABASE
  std::string password;  // what no message may show
};
// Errors: invalid, unsupported (no libpq).
[[nodiscard]] Result<Address> parse_address(std::string uri);

// Arguments of one statement, in the order of $1, $2, ...
class Arguments {
 public:
  Arguments& number(std::int64_t value);
  Arguments& number(std::uint64_t value) { return number(static_cast<std::int64_t>(value)); }
  Arguments& flag(bool value);
  Arguments& bytes(std::string_view value);
  Arguments& text(std::string_view value);
  Arguments& numbers(std::span<const std::int64_t> values);
  Arguments& all_bytes(std::span<const std::string_view> values);
  Arguments& texts(std::span<const std::string> values);

 private:
  friend class Connection;
  void add(unsigned type, std::string value);
  std::vector<unsigned> types_;
  std::deque<std::string> values_;
};

// What a statement answered.
class Rows {
 public:
  explicit Rows(pg_result* result) noexcept : result_(result, Clear{}) {}
  [[nodiscard]] int count() const;
  [[nodiscard]] std::int64_t number(int row, int column) const;  // of bigint, integer, smallint, boolean
  [[nodiscard]] std::uint64_t unsigned_number(int row, int column) const {
    return static_cast<std::uint64_t>(number(row, column));
  }
  [[nodiscard]] std::string_view bytes(int row,
                                       int column) const;  // of bytea and text; lives as long as this
  [[nodiscard]] std::vector<std::int64_t> numbers(int row, int column) const;  // of bigint[]
  [[nodiscard]] bool is_null(int row, int column) const;
  [[nodiscard]] std::string_view command() const;  // "COMMIT", ...

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};
using Answer = std::expected<Rows, Failure>;

class Connection {
 public:
  // `what` names the connection to the server's operator. Commits on it are synchronous; a statement on it
  // ends after `statement_timeout` at the latest. Errors: unavailable, unsupported, denied.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const Address& address, std::string_view what,
                                                                Millis statement_timeout);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }
  void close() noexcept;
  [[nodiscard]] int backend_pid() const noexcept;

  // One statement. Waits for a little longer than the server's own timeout, then closes the connection.
  [[nodiscard]] Answer query(const std::string& sql, const Arguments& arguments = {});
  // Until a channel that was named in LISTEN is notified, or so long: whether it was. Forgets what was
  // notified.
  [[nodiscard]] std::expected<bool, Failure> wait_for_notice(Duration longest);
  // Gives a statement a name on this connection.
  [[nodiscard]] std::expected<void, Failure> prepare(const char* name, const std::string& sql,
                                                     const Arguments& example);

  // Several statements without waiting between them: add() any number of times, then finish(), which gives an
  // answer for each that was added. After one that failed the rest are not carried out. Where the connection
  // was lost, the answers end with that failure.
  void add(const std::string& sql);
  void add_prepared(const char* name, const Arguments& arguments);
  [[nodiscard]] std::vector<Answer> finish();

 private:
  explicit Connection(const Address& address, Duration patience)
      : password_(address.password), patience_(patience) {}
  [[nodiscard]] Result<> start(const Address& address, std::string_view what, Millis statement_timeout);
  [[nodiscard]] Result<> check_server();
  [[nodiscard]] std::string scrubbed(std::string message) const;
  [[nodiscard]] Failure lose(std::string_view why);
  [[nodiscard]] Failure failure_of(pg_result* result) const;
  // Sends what is buffered and waits until a result can be had.
  [[nodiscard]] std::expected<void, Failure> pump(Instant deadline);
  [[nodiscard]] Answer take_only_result();
  void begin_pipeline();

  std::string password_;
  Duration patience_;
  pg_conn* handle_ = nullptr;
  std::size_t pipelined_ = 0;  // statements added since the last finish()
};

}  // namespace flotilla::journal::pg
