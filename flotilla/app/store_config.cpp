#include "flotilla/app/store_config.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "flotilla/cqrs/core/redis_address.hpp"

namespace flotilla::app {
namespace {

using config::Node;
using config::Problems;

constexpr std::string_view kSqlite = "sqlite:";

std::string beside(const std::string& file, std::string_view path) {
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

// A store that has one home so far.
void embedded_only(config::Spec<StoresConfig>& spec, std::string key, std::string_view about) {
  spec.field_with<std::string>(
      std::move(key), config::text(),
      [](StoresConfig&, const std::string& store, const Node& node, Problems& problems) {
        if (store != "embedded") {
          problems.add(node.place,
                       fmt::format("the store '{}' is not in this build yet; use embedded", store));
        }
      },
      std::string(about), "embedded");
}

}  // namespace

config::Spec<StoresConfig> stores_spec(const std::string& file) {
  config::Spec<StoresConfig> spec("stores");
  spec.field_with<std::string>(
      "journal", config::text(),
      [file](StoresConfig& stores, const std::string& journal, const Node& node, Problems& problems) {
        if (is_postgres(journal)) {
          stores.journal = journal;
          return;
        }
        if (!journal.starts_with(kSqlite) || journal.size() == kSqlite.size()) {
          // What stands behind the scheme may be a password.
          problems.add(node.place,
                       fmt::format("there is no journal '{}'; use sqlite:PATH, such as {}, or "
                                   "postgres://USER@HOST/DATABASE",
                                   std::string_view(journal).substr(0, journal.find(':')), kDefaultJournal));
          return;
        }
        stores.journal = beside(file, std::string_view(journal).substr(kSqlite.size()));
      },
      "where sagas are kept: sqlite:PATH, or postgres://USER@HOST:PORT/DATABASE, shared by several processes",
      std::string(kDefaultJournal));
  spec.field_with<std::string>(
      "archive", config::text(),
      [file](StoresConfig& stores, const std::string& folder, const Node&, Problems&) {
        stores.archive = folder.empty() ? folder : beside(file, folder);
      },
      "a folder for ended sagas, compressed, before they are deleted; none: they are just deleted", "none");
  spec.field_with<std::string>(
      "views", config::text(),
      [](StoresConfig& stores, const std::string& store, const Node& node, Problems& problems) {
        if (store == "embedded") {
          return;
        }
        const auto address = cqrs::parse_redis_address(store);
        if (!address) {
          problems.add(node.place,
                       cqrs::is_redis(store)
                           ? address.error().message
                           : fmt::format("there is no store '{}' for views; use embedded, or "
                                         "redis://HOST:PORT/DATABASE for copies of those with `cache`",
                                         std::string_view(store).substr(0, store.find(':'))));
          return;
        }
        stores.views = store;
      },
      "where copies of views with `cache` go: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]; the views "
      "themselves are kept in the journal",
      "embedded");
  embedded_only(spec, "events", "where topics are kept");
  return spec;
}

bool is_postgres(std::string_view journal) noexcept {
  return journal.starts_with("postgres://") || journal.starts_with("postgresql://");
}

std::string default_journal(const std::string& file) {
  return beside(file, kDefaultJournal.substr(kSqlite.size()));
}

}  // namespace flotilla::app
