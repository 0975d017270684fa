#include "store.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace shop {
namespace {

using flotilla::Errc;
using flotilla::Result;
using flotilla::json::Value;

constexpr std::string_view kNumbers = "numbers";

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return flotilla::fail(Errc::io, fmt::format("cannot write the journal: {}", std::strerror(errno)));
    }
    text.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  if (::fdatasync(fd) != 0) {
    return flotilla::fail(Errc::io, fmt::format("cannot sync the journal: {}", std::strerror(errno)));
  }
  return {};
}

Result<std::string> read_all(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return flotilla::fail(Errc::io, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  std::string text;
  std::array<char, 65536> piece{};
  ssize_t got = 0;
  while ((got = ::read(fd, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  if (got < 0) {
    return flotilla::fail(Errc::io, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  return text;
}

}  // namespace

Store::Store(Store&& other) noexcept
    : tables_(std::move(other.tables_)),
      age_(other.age_),
      pending_(std::move(other.pending_)),
      fd_(std::exchange(other.fd_, -1)) {}

Store::~Store() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<Store> Store::open(const std::string& path) {
  Store store;
  if (path.empty()) {
    return store;
  }
  const auto text = read_all(path);
  if (!text) {
    return std::unexpected(text.error());
  }
  if (auto replayed = store.replay(*text); !replayed) {
    return flotilla::fail(replayed.error().code, fmt::format("{}: {}", path, replayed.error().message));
  }
  if (auto rewritten = store.rewrite(path); !rewritten) {
    return std::unexpected(rewritten.error());
  }
  return store;
}

Result<> Store::replay(std::string_view text) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return {};  // cut off by a crash
    }
    const auto changes = flotilla::json::parse(text.substr(0, end));
    if (!changes || !changes->is_array()) {
      return flotilla::fail(Errc::invalid, fmt::format("line {} is no line of a shop's journal", line));
    }
    for (const Value& change : changes->items()) {
      if (!change[0].is_string() || !change[1].is_string()) {
        return flotilla::fail(Errc::invalid, fmt::format("line {} is no line of a shop's journal", line));
      }
      if (change.size() > 2) {
        apply_put(change[0].as_string(), change[1].as_string(), change[2]);
      } else {
        apply_erase(change[0].as_string(), change[1].as_string());
      }
    }
    text.remove_prefix(end + 1);
  }
  return {};
}

// Beside the file and then in its place, so that a crash leaves the old one or the new one.
Result<> Store::rewrite(const std::string& path) {
  const std::string fresh = path + ".new";
  fd_ = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0) {
    return flotilla::fail(Errc::io, fmt::format("{}: {}", fresh, std::strerror(errno)));
  }
  std::string text;
  for (const auto& [name, table] : tables_) {
    for (const auto& [age, row] : table.rows) {
      flotilla::json::write_to(text, Value::array({Value::array({name, row.id, row.value})}));
      text.push_back('\n');
    }
  }
  if (auto written = write_all(fd_, text); !written) {
    return written;
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    return flotilla::fail(Errc::io, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  return {};
}

const Value* Store::find(std::string_view table, std::string_view id) const {
  const auto found = tables_.find(table);
  if (found == tables_.end()) {
    return nullptr;
  }
  const auto row = found->second.by_id.find(std::string(id));
  return row == found->second.by_id.end() ? nullptr : &found->second.rows.at(row->second).value;
}

Value Store::newest(std::string_view table, std::string_view field, std::string_view value,
                    std::size_t most) const {
  Value rows = Value::array();
  const auto found = tables_.find(table);
  if (found == tables_.end()) {
    return rows;
  }
  const Value wanted(value);
  for (auto row = found->second.rows.rbegin(); row != found->second.rows.rend() && rows.size() < most;
       ++row) {
    if (row->second.value[field] == wanted) {
      rows.push_back(row->second.value);
    }
  }
  return rows;
}

void Store::put(std::string_view table, std::string_view id, const Value& row) {
  apply_put(table, id, row);
  pending_.push_back(Value::array({table, id, row}));
}

void Store::erase(std::string_view table, std::string_view id) {
  apply_erase(table, id);
  pending_.push_back(Value::array({table, id}));
}

std::int64_t Store::next_number() {
  const Value* last = find(kNumbers, "last");
  const std::int64_t number = (last == nullptr ? 0 : last->as_int().value_or(0)) + 1;
  put(kNumbers, "last", number);
  return number;
}

Result<> Store::commit() {
  if (pending_.is_null()) {
    return {};
  }
  const std::string line = flotilla::json::write(std::exchange(pending_, Value())) + "\n";
  return fd_ < 0 ? Result<>{} : write_all(fd_, line);
}

void Store::apply_put(std::string_view table, std::string_view id, const Value& row) {
  Table& into = tables_[std::string(table)];
  if (const auto found = into.by_id.find(std::string(id)); found != into.by_id.end()) {
    into.rows.at(found->second).value = row;
    return;
  }
  if (into.rows.size() == kMostRows) {
    into.by_id.erase(into.rows.begin()->second.id);
    into.rows.erase(into.rows.begin());
  }
  into.by_id.emplace(id, ++age_);
  into.rows.emplace(age_, Row{std::string(id), row});
}

void Store::apply_erase(std::string_view table, std::string_view id) {
  const auto found = tables_.find(table);
  if (found == tables_.end()) {
    return;
  }
  if (const auto row = found->second.by_id.find(std::string(id)); row != found->second.by_id.end()) {
    found->second.rows.erase(row->second);
    found->second.by_id.erase(row);
  }
}

}  // namespace shop
