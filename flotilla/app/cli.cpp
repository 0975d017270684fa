#include "flotilla/app/cli.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace flotilla::app {

int run_command_line(int argc, const char* const* argv, const Commands& commands) {
  CLI::App app{"Flotilla: discovery, gateway and resilience for a fleet of services"};
  app.require_subcommand(1);
  int code = 0;
  std::string file = "flotilla.yaml";
  bool tour = false;
  CLI::App* const up = app.add_subcommand("up", "run everything the file names");
  up->add_option("file", file, "the configuration file")->capture_default_str();
  up->callback([&] { code = commands.up(file); });
  CLI::App* const check = app.add_subcommand("check", "validate a file");
  check->add_option("file", file, "the configuration file")->required();
  check->callback([&] { code = commands.check(file); });
  app.add_subcommand("schema", "print the file's JSON Schema")->callback([&] { code = commands.schema(); });
  CLI::App* const demo = app.add_subcommand("demo", "the shop, the platform and a tour");
  demo->add_flag("--tour", tour, "play the tour unattended");
  demo->callback([&] { code = commands.demo(tour); });
  app.add_subcommand("version", "print the version")->callback([&] { std::printf("%s\n", commands.version.c_str()); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}

}  // namespace flotilla::app
