#include "flotilla/app/cli_journal.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>

#include "flotilla/app/config_file.hpp"
#include "flotilla/app/record_types.hpp"
#include "flotilla/app/saga_host.hpp"
#include "flotilla/journal/backup.hpp"
#include "flotilla/journal/new_file.hpp"
#include "flotilla/journal/transfer.hpp"
#include "flotilla/journal/verify.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

int failed(const std::string& message) {
  fmt::print(stderr, "flotilla: {}\n", message);
  return 1;
}

// How far it is, at most once a second.
class Progress {
 public:
  template <class Say>
  void tell(Say say) {
    if (const Instant now = net::monotonic_now(); now - told_ >= std::chrono::seconds(1)) {
      told_ = now;
      fmt::print(stderr, "flotilla: {}\n", say());
    }
  }

 private:
  Instant told_ = net::monotonic_now();
};

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Result<std::string> file_of(std::string_view store) {
  if (store.starts_with("postgres://") || store.starts_with("postgresql://")) {
    return fail(Errc::unsupported,
                "the store is a PostgreSQL database, with tools of its own: pg_dump, pg_restore");
  }
  return std::string(store.starts_with(kSqlite) ? store.substr(kSqlite.size()) : store);
}

// The path of the store that is meant. Errors: a configuration with faults, or without a store; no file.
Result<std::string> store_path(const StoreChoice& choice) {
  if (!choice.store.empty()) {
    return file_of(choice.store);
  }
  const auto file = load_config(choice.file);
  if (!file) {
    return fail(Errc::invalid, fmt::format("{} (or name the store: --store PATH)", file.error().front()));
  }
  const std::string path = journal_path(*file);
  if (path.empty()) {
    return fail(Errc::invalid,
                fmt::format("{} names neither sagas nor a store; name the store: --store PATH", choice.file));
  }
  return file_of(path);
}

std::string last_error(std::string_view what, const std::string& path) {
  return fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
}

}  // namespace

int backup_journal(const StoreChoice& choice, const std::string& to) {
  const auto from = store_path(choice);
  if (!from) {
    return failed(from.error().message);
  }
  Progress progress;
  const auto copied = journal::backup_store(*from, to, [&](std::uint64_t done, std::uint64_t all) {
    progress.tell([&] { return fmt::format("{} of {} MiB copied", done / kMiB, all / kMiB); });
  });
  if (!copied) {
    return failed(copied.error().message);
  }
  std::error_code ignored;  // the size is for people
  fmt::print("{} is a copy of {} ({} bytes)\n", to, *from, std::filesystem::file_size(to, ignored));
  return 0;
}

int verify_journal(const StoreChoice& choice) {
  const auto path = store_path(choice);
  if (!path) {
    return failed(path.error().message);
  }
  Progress progress;
  const auto report = journal::verify_store(*path, record_types(), [&](std::uint64_t records) {
    progress.tell([&] { return fmt::format("{} records read", records); });
  });
  if (!report) {
    return failed(report.error().message);
  }
  for (const std::string& problem : report->problems) {
    fmt::print("{}\n", problem);
  }
  if (!report->problems.empty()) {
    return failed(fmt::format("{} is damaged", *path));
  }
  fmt::print("{} is whole: position {}, {} records in {} streams, {} forgotten\n", *path,
             report->position.number(), report->records, report->streams, report->forgotten);
  return 0;
}

int export_journal(const StoreChoice& choice, const std::string& to) {
  const auto path = store_path(choice);
  if (!path) {
    return failed(path.error().message);
  }
  std::optional<journal::NewFile> made;
  File file;
  if (!to.empty()) {
    auto begun = journal::NewFile::begin(to);
    if (!begun) {
      return failed(begun.error().message);
    }
    made.emplace(std::move(*begun));
    file.reset(std::fopen(made->path().c_str(), "wbe"));
    if (!file) {
      return failed(last_error("write", made->path()));
    }
  }
  std::FILE* const out = file ? file.get() : stdout;
  const std::string name = to.empty() ? "stdout" : to;
  Progress progress;
  std::uint64_t written = 0;
  const auto lines = journal::export_store(*path, record_types(), [&](std::string_view line) -> Result<> {
    if (std::fwrite(line.data(), 1, line.size(), out) != line.size() || std::fputc('\n', out) == EOF) {
      return fail(Errc::io, last_error("write", name));
    }
    ++written;
    progress.tell([&] { return fmt::format("{} lines written", written); });
    return {};
  });
  if (!lines) {
    return failed(lines.error().message);
  }
  if (std::fflush(out) != 0) {
    return failed(last_error("write", name));
  }
  if (made) {
    file.reset();
    if (const auto published = std::move(*made).publish(); !published) {
      return failed(published.error().message);
    }
    fmt::print("{} holds {} lines of {}\n", to, *lines, *path);
  }
  return 0;
}

int import_journal(const StoreChoice& choice, const std::string& from) {
  const auto path = store_path(choice);
  if (!path) {
    return failed(path.error().message);
  }
  File file;
  if (from != "-") {
    file.reset(std::fopen(from.c_str(), "rbe"));
    if (!file) {
      return failed(last_error("read", from));
    }
  }
  std::FILE* const in = file ? file.get() : stdin;
  Progress progress;
  std::uint64_t taken = 0;
  const auto next = [&]() -> std::optional<std::string> {
    std::string line;
    int c = 0;
    while ((c = std::getc(in)) != EOF && c != '\n') {
      if (line.size() == journal::kMaxLine) {
        break;  // no line that was exported; refused as what it is so far
      }
      line += static_cast<char>(c);
    }
    if (c == EOF && line.empty()) {
      return std::nullopt;
    }
    ++taken;
    progress.tell([&] { return fmt::format("{} lines read", taken); });
    return line;
  };
  std::error_code error;
  if (const auto folder = std::filesystem::path(*path).parent_path(); !folder.empty()) {
    std::filesystem::create_directories(folder, error);
    if (error) {
      return failed(fmt::format("cannot create {}: {}", folder.string(), error.message()));
    }
  }
  const auto lines = journal::import_store(*path, record_types(), next);
  if (std::ferror(in) != 0) {
    return failed(last_error("read", from));
  }
  if (!lines) {
    return failed(fmt::format("{}: {}", from == "-" ? "stdin" : from, lines.error().message));
  }
  fmt::print("{} is made of {} lines of {}\n", *path, *lines, from == "-" ? "stdin" : from);
  return 0;
}

}  // namespace flotilla::app
