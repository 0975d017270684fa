// One question to the management API and its answer, shown: what every client verb is made of.
//
// Ownership: values. Threads: main; each call asks once and returns (cli_client.hpp has the limits).
// Results go to stdout, messages to stderr; what is returned is the exit code, 0 or 1.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/app/cli_client.hpp"
#include "flotilla/app/cli_table.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::app {

enum class OutputForm : std::uint8_t {
  table,  // for people
  json,   // the API's answer as it came
};

struct ClientOptions {
  AdminTarget target;
  OutputForm form = OutputForm::table;
};

// What is printed of an answer for people.
using Show = std::function<std::string(const json::Value& answer)>;

// Asks, and prints the answer to stdout; what is no success (2xx) becomes a line on stderr.
[[nodiscard]] int ask_and_show(const ClientOptions& options, http::Request request, const Show& show);

// The items of a list, as a table.
[[nodiscard]] Show as_list(std::span<const Column> columns);

[[nodiscard]] std::string with_segment(std::string path, std::string_view segment);
void add_parameter(std::string& target, std::string_view name, std::string_view value);

}  // namespace flotilla::app
