#include "flotilla/journal/postgres.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>
#include <poll.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/journal/postgres_library.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal::pg {
namespace {

// Types of arguments, from the server's catalog (pg_type.dat).
constexpr unsigned kBool = 16;
constexpr unsigned kBytea = 17;
constexpr unsigned kInt8 = 20;
constexpr unsigned kText = 25;
constexpr unsigned kByteaArray = 1001;
constexpr unsigned kTextArray = 1009;
constexpr unsigned kInt8Array = 1016;

// How long more than the server's own timeout an answer is awaited: the way there and back.
constexpr Duration kMargin = std::chrono::seconds(2);

// Loaded before any connection exists.
const Library& pq() { return **library(); }

void put_number(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i > 0; --i) {
    out.push_back(static_cast<char>(value >> (8 * (i - 1)) & 0xff));
  }
}

std::int64_t get_number(std::string_view bytes) {
  std::uint64_t value =
      !bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80) != 0 && bytes.size() > 1
          ? ~std::uint64_t{0}
          : 0;
  for (const char byte : bytes) {
    value = value << 8 | static_cast<unsigned char>(byte);
  }
  return static_cast<std::int64_t>(value);
}

// The head of an array's binary form: one dimension, indexes from 1.
std::string array_head(unsigned element, std::size_t count) {
  std::string out;
  put_number(out, count == 0 ? 0 : 1, 4);
  put_number(out, 0, 4);  // no nulls
  put_number(out, element, 4);
  if (count > 0) {
    put_number(out, count, 4);
    put_number(out, 1, 4);
  }
  return out;
}

std::string sqlstate_of(const pg_result* result) {
  const char* state = pq().error_field(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string() : std::string(state);
}

}  // namespace

Error to_error(const Failure& failure) { return {Errc::unavailable, failure.message}; }

void Arguments::add(unsigned type, std::string value) {
  types_.push_back(type);
  values_.push_back(std::move(value));
}
Arguments& Arguments::number(std::int64_t value) {
  std::string out;
  put_number(out, static_cast<std::uint64_t>(value), 8);
  add(kInt8, std::move(out));
  return *this;
}
Arguments& Arguments::flag(bool value) {
  add(kBool, std::string(1, value ? '\1' : '\0'));
  return *this;
}
Arguments& Arguments::bytes(std::string_view value) {
  add(kBytea, std::string(value));
  return *this;
}
Arguments& Arguments::text(std::string_view value) {
  add(kText, std::string(value));
  return *this;
}
Arguments& Arguments::numbers(std::span<const std::int64_t> values) {
  std::string out = array_head(kInt8, values.size());
  for (const std::int64_t value : values) {
    put_number(out, 8, 4);
    put_number(out, static_cast<std::uint64_t>(value), 8);
  }
  add(kInt8Array, std::move(out));
  return *this;
}
Arguments& Arguments::all_bytes(std::span<const std::string_view> values) {
  std::string out = array_head(kBytea, values.size());
  for (const std::string_view value : values) {
    put_number(out, value.size(), 4);
    out.append(value);
  }
  add(kByteaArray, std::move(out));
  return *this;
}

Arguments& Arguments::texts(std::span<const std::string> values) {
  std::string out = array_head(kText, values.size());
  for (const std::string& value : values) {
    put_number(out, value.size(), 4);
    out.append(value);
  }
  add(kTextArray, std::move(out));
  return *this;
}

void Rows::Clear::operator()(pg_result* result) const noexcept { pq().clear(result); }
int Rows::count() const { return pq().row_count(result_.get()); }
std::string_view Rows::bytes(int row, int column) const {
  return {pq().value(result_.get(), row, column),
          static_cast<std::size_t>(pq().length(result_.get(), row, column))};
}
std::int64_t Rows::number(int row, int column) const { return get_number(bytes(row, column)); }
bool Rows::is_null(int row, int column) const { return pq().is_null(result_.get(), row, column) != 0; }
std::string_view Rows::command() const { return pq().command_status(result_.get()); }
std::vector<std::int64_t> Rows::numbers(int row, int column) const {
  constexpr std::size_t kHead = 20;
  constexpr std::size_t kEach = 12;
  const std::string_view array = bytes(row, column);
  std::vector<std::int64_t> values;
  for (std::size_t at = kHead; at + kEach <= array.size(); at += kEach) {
    values.push_back(get_number(array.substr(at + 4, 8)));
  }
  return values;
}

Result<Address> parse_address(std::string uri) {
  auto loaded = library();
  if (!loaded) {
    return std::unexpected(std::move(loaded.error()));
  }
  // libpq quotes what it does not understand, and a password may stand anywhere in it.
  const auto refuse = [] {
    return fail(
        Errc::invalid,
        "the store's address is no PostgreSQL address: write postgres://USER@HOST:PORT/DATABASE, with "
        "special characters of a password percent-encoded");
  };
  if (!uri.starts_with("postgres://") && !uri.starts_with("postgresql://")) {
    return refuse();
  }
  PQconninfoOption* const options = pq().parse(uri.c_str(), nullptr);
  if (options == nullptr) {
    return refuse();
  }
  std::string host;
  std::string port;
  std::string database;
  Address address{.uri = std::move(uri), .name = {}, .password = {}};
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const std::string value = option->val == nullptr ? "" : option->val;
    if (keyword == "host") {
      host = value;
    } else if (keyword == "port") {
      port = value;
    } else if (keyword == "dbname") {
      database = value;
    } else if (keyword == "password") {
      address.password = value;
    }
  }
  pq().free_options(options);
  if (!std::ranges::all_of(port, [](char c) { return is_digit(c) || c == ','; })) {
    return refuse();
  }
  address.name = fmt::format("postgres://{}{}{}/{}", host, port.empty() ? "" : ":", port, database);
  return address;
}

Result<std::unique_ptr<Connection>> Connection::open(const Address& address, std::string_view what,
                                                     Millis statement_timeout) {
  std::unique_ptr<Connection> connection(new Connection(address, statement_timeout + kMargin));
  if (auto ok = connection->start(address, what, statement_timeout); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return connection;
}

Result<> Connection::start(const Address& address, std::string_view what, Millis statement_timeout) {
  // What stands before `dbname` the address may say otherwise. Timeouts in seconds, the last in milliseconds.
  constexpr std::array keywords{"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                                "keepalives_count", "tcp_user_timeout", "fallback_application_name",
                                "dbname",           "client_encoding",  static_cast<const char*>(nullptr)};
  const std::string name = fmt::format("flotilla {}", what);
  const std::array values{"5",
                          "10",
                          "5",
                          "3",
                          "15000",
                          name.c_str(),
                          address.uri.c_str(),
                          "UTF8",
                          static_cast<const char*>(nullptr)};
  handle_ = pq().connect(keywords.data(), values.data(), 1);
  if (handle_ == nullptr || pq().status(handle_) != CONNECTION_OK) {
    const std::string why = handle_ == nullptr ? "out of memory" : pq().error_message(handle_);
    close();
    return fail(Errc::unavailable, fmt::format("cannot connect to {}: {}", address.name, scrubbed(why)));
  }
  pq().set_notice_receiver(handle_, [](void*, const pg_result*) {}, nullptr);
  pq().set_nonblocking(handle_, 1);
  if (auto set = query(fmt::format(
          "SELECT set_config('synchronous_commit', 'on', false), set_config('statement_timeout', '{0}', "
          "false), set_config('idle_in_transaction_session_timeout', '{0}', false), "
          "set_config('search_path', "
          "'pg_catalog', false), set_config('default_transaction_isolation', 'read committed', false)",
          statement_timeout.count()));
      !set) {
    return std::unexpected(to_error(set.error()));
  }
  return check_server();
}

Result<> Connection::check_server() {
  if (pq().server_version(handle_) < 140'000) {
    return fail(Errc::unsupported, fmt::format("the server is PostgreSQL {}, the journal needs 14 or newer",
                                               pq().server_version(handle_) / 10'000));
  }
  const auto commit = query("SELECT current_setting('synchronous_commit'), pg_is_in_recovery()");
  if (!commit) {
    return std::unexpected(to_error(commit.error()));
  }
  if (commit->bytes(0, 0) != "on") {
    return fail(
        Errc::unsupported,
        fmt::format("synchronous_commit is {} and cannot be set to on: what is acknowledged would not "
                    "be on disk",
                    commit->bytes(0, 0)));
  }
  if (commit->number(0, 1) != 0) {
    return fail(Errc::unavailable,
                "the server is a standby, which takes no writes: name the primary, or add "
                "target_session_attrs=read-write to the address");
  }
  return {};
}

Connection::~Connection() { close(); }

void Connection::close() noexcept {
  if (handle_ != nullptr) {
    pq().finish(std::exchange(handle_, nullptr));
  }
  pipelined_ = 0;
}

int Connection::backend_pid() const noexcept { return handle_ == nullptr ? 0 : pq().backend_pid(handle_); }

std::string Connection::scrubbed(std::string message) const {
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) {
    message.pop_back();
  }
  std::ranges::replace_if(message, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  for (std::size_t at = 0; !password_.empty() && (at = message.find(password_, at)) != std::string::npos;) {
    message.replace(at, password_.size(), "***");
    at += 3;
  }
  return message;
}

Failure Connection::lose(std::string_view why) {
  Failure failure{.message = scrubbed(std::string(why)), .state = {}, .lost = true};
  close();
  return failure;
}

Failure Connection::failure_of(pg_result* result) const {
  const char* message = pq().error_field(result, PG_DIAG_MESSAGE_PRIMARY);
  return {.message = scrubbed(message == nullptr ? "an earlier statement failed" : message),
          .state = sqlstate_of(result),
          .lost = false};
}

std::expected<void, Failure> Connection::pump(Instant deadline) {
  if (handle_ == nullptr) {
    return std::unexpected(Failure{.message = "the connection is closed", .state = {}, .lost = true});
  }
  while (true) {
    const int unsent = pq().flush(handle_);
    if (unsent < 0) {
      return std::unexpected(lose(pq().error_message(handle_)));
    }
    if (pq().is_busy(handle_) == 0) {
      return {};
    }
    const auto left = std::chrono::ceil<Millis>(deadline - net::monotonic_now()).count();
    pollfd ready{.fd = pq().socket(handle_),
                 .events = static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0)),
                 .revents = 0};
    const int found = ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (found == 0) {
      return std::unexpected(lose("the server did not answer in time"));
    }
    if (found > 0 && pq().consume_input(handle_) == 0) {
      return std::unexpected(lose(pq().error_message(handle_)));
    }
    if (found < 0 && errno != EINTR) {
      return std::unexpected(lose("the connection cannot be waited for"));
    }
  }
}

// Of the statement just sent, outside of a pipeline.
Answer Connection::take_only_result() {
  const Instant deadline = net::monotonic_now() + patience_;
  Answer answer =
      std::unexpected(Failure{.message = "the server gave no answer", .state = {}, .lost = false});
  while (true) {
    if (auto ok = pump(deadline); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
    pg_result* const result = pq().get_result(handle_);
    if (result == nullptr) {
      break;
    }
    Rows rows(result);
    const auto status = pq().result_status(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      answer = std::move(rows);
    } else {
      answer = std::unexpected(failure_of(result));
    }
  }
  if (pq().status(handle_) != CONNECTION_OK) {
    Failure failure = lose(answer ? pq().error_message(handle_) : answer.error().message);
    return std::unexpected(std::move(failure));
  }
  return answer;
}

namespace {

// Pointers as libpq wants them.
struct Flat {
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};
Flat flatten(const std::deque<std::string>& values) {
  Flat flat;
  for (const std::string& value : values) {
    flat.values.push_back(value.data());
    flat.lengths.push_back(static_cast<int>(value.size()));
    flat.formats.push_back(1);
  }
  return flat;
}

}  // namespace

Answer Connection::query(const std::string& sql, const Arguments& arguments) {
  FLOTILLA_ASSERT(pipelined_ == 0);
  if (handle_ == nullptr) {
    return std::unexpected(Failure{.message = "the connection is closed", .state = {}, .lost = true});
  }
  const Flat flat = flatten(arguments.values_);
  if (pq().send_query(handle_, sql.c_str(), static_cast<int>(flat.values.size()), arguments.types_.data(),
                      flat.values.data(), flat.lengths.data(), flat.formats.data(), 1) == 0) {
    return std::unexpected(lose(pq().error_message(handle_)));
  }
  return take_only_result();
}

std::expected<void, Failure> Connection::prepare(const char* name, const std::string& sql,
                                                 const Arguments& example) {
  if (pq().send_prepare(handle_, name, sql.c_str(), static_cast<int>(example.types_.size()),
                        example.types_.data()) == 0) {
    return std::unexpected(lose(pq().error_message(handle_)));
  }
  auto answer = take_only_result();
  if (!answer) {
    return std::unexpected(std::move(answer.error()));
  }
  return {};
}

// A statement that cannot even be buffered is one that got no answer: finish() tells.
void Connection::begin_pipeline() {
  if (pipelined_++ == 0 && handle_ != nullptr && pq().enter_pipeline(handle_) == 0) {
    close();
  }
}

void Connection::add(const std::string& sql) {
  begin_pipeline();
  if (handle_ != nullptr &&
      pq().send_query(handle_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1) == 0) {
    close();
  }
}

void Connection::add_prepared(const char* name, const Arguments& arguments) {
  begin_pipeline();
  const Flat flat = flatten(arguments.values_);
  if (handle_ != nullptr &&
      pq().send_prepared(handle_, name, static_cast<int>(flat.values.size()), flat.values.data(),
                         flat.lengths.data(), flat.formats.data(), 1) == 0) {
    close();
  }
}

std::vector<Answer> Connection::finish() {
  const std::size_t expected = std::exchange(pipelined_, 0);
  std::vector<Answer> answers;
  const auto end_with = [&](Failure failure) {
    answers.emplace_back(std::unexpected(std::move(failure)));
    return std::move(answers);
  };
  if (handle_ == nullptr || pq().pipeline_sync(handle_) == 0) {
    return end_with(lose("the connection is closed"));
  }
  const Instant deadline = net::monotonic_now() + patience_;
  for (bool synced = false; !synced;) {
    if (auto ok = pump(deadline); !ok) {
      return end_with(std::move(ok.error()));
    }
    pg_result* const result = pq().get_result(handle_);
    if (result == nullptr) {
      if (pq().status(handle_) != CONNECTION_OK) {
        return end_with(lose(pq().error_message(handle_)));
      }
      continue;  // stands between the statements
    }
    Rows rows(result);
    switch (pq().result_status(result)) {
      case PGRES_PIPELINE_SYNC:
        synced = true;
        break;
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK:
        answers.emplace_back(std::move(rows));
        break;
      default:
        answers.emplace_back(std::unexpected(failure_of(result)));
        break;
    }
  }
  if (answers.size() != expected || pq().exit_pipeline(handle_) == 0) {
    return end_with(lose("the server's answers do not fit what was asked"));
  }
  return answers;
}

}  // namespace flotilla::journal::pg
