#include "flotilla/app/simulate.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/app/config_file.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/core/simulation/user_report.hpp"
#include "flotilla/saga/core/simulation/user_run.hpp"

namespace flotilla::app {
namespace {

using saga::DefinitionPtr;
using saga::simulation::UserReportConfig;
using saga::simulation::UserRun;

Result<DefinitionPtr> choose(const ConfigFile& file, const std::string& name) {
  std::string known;
  for (const DefinitionPtr& each : file.sagas) {
    if (each->name == name || (name.empty() && file.sagas.size() == 1)) {
      return each;
    }
    known += (known.empty() ? "" : ", ") + each->name;
  }
  if (file.sagas.empty()) {
    return fail(Errc::not_found, fmt::format("{} names no sagas", file.path));
  }
  return fail(Errc::not_found,
              name.empty()
                  ? fmt::format("{} names several sagas; say which with --saga: {}", file.path, known)
                  : fmt::format("{} has no saga '{}'; it has {}", file.path, name, known));
}

Result<std::optional<json::Value>> read_input(const std::string& text, const saga::Definition& definition) {
  if (text.empty()) {
    return std::nullopt;
  }
  auto value = json::parse(text);
  if (!value) {
    return fail(Errc::invalid, "--input is not JSON: " + value.error().message);
  }
  if (definition.input) {
    if (const auto valid = definition.input->validate(*value); !valid) {
      return fail(Errc::invalid, fmt::format("--input is not what '{}' takes: {}", definition.name,
                                             valid.error().summary()));
    }
  }
  return *std::move(value);
}

// Schemas can ask for more than can be made up; better said before than found as a rejected saga.
Result<> check_made_up(const UserRun& run) {
  const saga::Definition& definition = *run.config().saga;
  Random random(run.config().first);
  if (!definition.input) {
    return {};
  }
  for (int i = 0; i < 32; ++i) {
    const json::Value drawn = run.catalogue().stubs(definition).input(random);
    if (const auto valid = definition.input->validate(drawn); !valid) {
      return fail(Errc::invalid, fmt::format("no input could be made up that holds against the schema of "
                                             "'{}' ({}); give one with --input",
                                             definition.name, valid.error().summary()));
    }
  }
  return {};
}

int say(const Error& error) {
  std::fprintf(stderr, "flotilla: %s\n", error.message.c_str());
  return 1;
}

// Whether all seeds were run in time.
bool run_seeds(UserRun& run, const SimulateOptions& options) {
  const bool progress = isatty(STDERR_FILENO) == 1;
  const Instant start = net::monotonic_now();
  Instant shown = start;
  bool in_time = true;
  while (in_time && run.next()) {
    const Instant now = net::monotonic_now();
    if (progress && now - shown > std::chrono::milliseconds(200)) {
      shown = now;
      std::fprintf(stderr, "\r%llu of %llu seeds, %llu events, %zu violations ",
                   static_cast<unsigned long long>(run.seeds_done()),
                   static_cast<unsigned long long>(options.seeds),
                   static_cast<unsigned long long>(run.coverage().events), run.violations().size());
    }
    in_time = now - start < std::chrono::seconds(options.within_s);
  }
  if (progress && shown != start) {
    std::fprintf(stderr, "\r\033[K");
  }
  std::fprintf(stderr, "%llu seeds in %.1f s\n", static_cast<unsigned long long>(run.seeds_done()),
               std::chrono::duration<double>(net::monotonic_now() - start).count());
  return run.seeds_done() == options.seeds;
}

}  // namespace

int simulate(const SimulateOptions& options) {
  const auto file = load_config(options.file);
  if (!file) {
    for (const std::string& line : file.error()) {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
    return 1;
  }
  const auto chosen = choose(*file, options.saga);
  if (!chosen) {
    return say(chosen.error());
  }
  const auto input = read_input(options.input, **chosen);
  if (!input) {
    return say(input.error());
  }
  UserRun run({.all = saga::simulation::with_nested(*chosen, file->sagas),
               .saga = *chosen,
               .input = *input,
               .first = options.seed,
               .seeds = options.seeds,
               .events = options.events});
  if (const auto possible = check_made_up(run); !possible && !*input) {
    return say(possible.error());
  }
  if (options.trace) {
    std::fputs(run.trace(options.seed).c_str(), stdout);
  }
  const bool all = run_seeds(run, options);
  const UserReportConfig report{
      .file = options.file, .input = options.input, .accept = {options.accept.begin(), options.accept.end()}};
  if (options.json) {
    std::printf("%s\n", json::write(saga::simulation::report_json(run, report)).c_str());
  } else {
    std::fputs(saga::simulation::report_text(run, report).c_str(), stdout);
  }
  if (!all && run.violations().empty()) {
    std::fprintf(stderr, "flotilla: stopped after %u s, --within, with %llu of %llu seeds done\n",
                 options.within_s, static_cast<unsigned long long>(run.seeds_done()),
                 static_cast<unsigned long long>(options.seeds));
  }
  return saga::simulation::is_bad(run, report) ? 1 : 0;
}

}  // namespace flotilla::app
