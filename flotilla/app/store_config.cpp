#include "flotilla/app/store_config.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "flotilla/app/store_address.hpp"

namespace flotilla::app {
namespace {

using config::Node;
using config::Problems;

constexpr std::string_view kSqlite = "sqlite:";

std::string beside(const std::string& file, std::string_view path) {
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
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
  spec.field("views", redis_store(file), &StoresConfig::views,
             "where copies of views with `cache` go; the views themselves are kept in the journal",
             "embedded");
  spec.field("events", kafka_store(file), &StoresConfig::kafka,
             "embedded: topics are in the journal alone; a Kafka: they are bridged to it, too", "embedded");
  return spec;
}

bool is_postgres(std::string_view journal) noexcept {
  return journal.starts_with("postgres://") || journal.starts_with("postgresql://");
}

std::string default_journal(const std::string& file) {
  return beside(file, kDefaultJournal.substr(kSqlite.size()));
}

}  // namespace flotilla::app
