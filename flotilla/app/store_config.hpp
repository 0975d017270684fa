// `stores:` of the file: where what must survive is kept.
//
// For: config_file.cpp. Threads: plain values, pure functions. Limits: none of its own.
#pragma once

#include <string>

#include "flotilla/config/spec.hpp"

namespace flotilla::app {

struct StoresConfig {
  std::string journal;  // path of the SQLite file; empty: not named
  bool named = false;   // the file has `stores`
};

inline constexpr std::string_view kDefaultJournal = "sqlite:./data/flotilla.db";

// Relative paths are relative to the folder of `file`.
[[nodiscard]] config::Spec<StoresConfig> stores_spec(const std::string& file);

// The path of kDefaultJournal.
[[nodiscard]] std::string default_journal(const std::string& file);

}  // namespace flotilla::app
