// The program. What it can do is in cli.hpp; what it runs is in platform.hpp.
#include <cstdio>
#include <string>

#include "flotilla/app/cli.hpp"
#include "flotilla/app/cli_outbox.hpp"
#include "flotilla/app/config_file.hpp"
#include "flotilla/app/demo.hpp"
#include "flotilla/app/platform.hpp"
#include "flotilla/app/runtime.hpp"
#include "flotilla/app/simulate.hpp"
#include "flotilla/net/clock.hpp"

namespace {

using namespace flotilla;

int report(const app::ConfigErrors& errors) {
  for (const std::string& line : errors) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  return 1;
}

int up(const std::string& path) {
  auto platform = app::Platform::start(path);
  if (!platform) {
    return report(platform.error());
  }
  return (*platform)->run();
}

int check(const std::string& path) {
  auto file = app::load_config(path);
  if (!file) {
    return report(file.error());
  }
  for (const std::string& warning : file->warnings) {
    std::fprintf(stderr, "%s (a warning)\n", warning.c_str());
  }
  if (const auto compiled = app::compile_runtime(std::move(*file), 1, net::monotonic_now(), 1, nullptr);
      !compiled) {
    return report({compiled.error().message});
  }
  std::printf("%s is valid\n", path.c_str());
  return 0;
}

int schema() {
  std::printf("%s\n", app::config_schema().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  app::Commands commands;
  commands.up = &up;
  commands.check = &check;
  commands.schema = &schema;
  commands.demo = &app::run_demo;
  commands.simulate = &app::simulate;
  commands.parsed = [&] { app::hide_passwords(argc, argv); };
  commands.version = "flotilla 0.1.0";
  return app::run_command_line(argc, argv, commands);
}
