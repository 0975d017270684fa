#include "flotilla/app/demo.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/app/demo_client.hpp"
#include "flotilla/app/demo_processes.hpp"
#include "flotilla/app/demo_texts.hpp"
#include "flotilla/app/demo_tour.hpp"
#include "flotilla/cqrs/redis_protocol.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"
#include "flotilla/net/signals.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Demo {
  net::Loop& loop;
  DemoProcesses& processes;
  DemoPorts ports;
  fs::path folder;
  bool tour;
  std::string redis_server;  // the program; empty: there is none here
  int code = 1;              // unless it comes to its end
};

Result<fs::path> make_folder() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  if (error) {
    return fail(Errc::io, fmt::format("no folder for temporary files ({}); set TMPDIR", error.message()));
  }
  std::string folder = (parent / "flotilla-demo-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return fail(Errc::io,
                fmt::format("cannot create a folder in {}: {}", parent.string(), std::strerror(errno)));
  }
  return fs::path(folder);
}

// Refuses ports of another platform or demo. Listeners share ports (SO_REUSEPORT) and the other's admin port
// would answer for ours, so that the shop would come up in the other's registry, and leave it again.
// The services' ports are held while the result lives; the platform takes its own when it starts.
Result<std::vector<net::AddressLock>> take_ports(const DemoPorts& ports) {
  const auto take = [](std::uint16_t port) -> Result<net::AddressLock> {
    const auto address = net::SocketAddress::parse(fmt::format("127.0.0.1:{}", port));
    return address ? net::AddressLock::take(*address) : std::unexpected(address.error());
  };
  for (const std::uint16_t port : {ports.gateway, ports.mobile, ports.registry, ports.admin, ports.api}) {
    if (const auto free = take(port); !free) {
      return std::unexpected(free.error());
    }
  }
  std::vector<net::AddressLock> held;
  if (auto redis = take(ports.redis)) {
    held.push_back(std::move(*redis));
  } else {
    return std::unexpected(redis.error());
  }
  for (std::size_t i = 0; i < std::size(kDemoRoles); ++i) {
    auto lock = take(ports.service(i));
    if (!lock) {
      return std::unexpected(lock.error());
    }
    held.push_back(std::move(*lock));
  }
  return held;
}

// The first on PATH; empty if there is none.
std::string find_program(std::string_view name) {
  const char* const path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    const fs::path file = fs::path(folder) / name;
    if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) {
      return file;
    }
  }
  return {};
}

// For the copies of the view. It keeps nothing: what it has is made again.
Result<> start_redis(Demo& demo) {
  if (demo.redis_server.empty()) {
    return {};
  }
  std::printf("  %-22s redis://127.0.0.1:%d\n", "Redis for the view", demo.ports.redis);
  return demo.processes.start(
      "redis", {demo.redis_server, "--bind", "127.0.0.1", "--port", fmt::to_string(demo.ports.redis),
                "--save", "", "--appendonly", "no", "--dir", demo.folder, "--set-proc-title", "no"});
}

Result<> start_all(Demo& demo) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) {
    return fail(Errc::io, fmt::format("cannot find this program's own file: {}", error.message()));
  }
  const fs::path file = demo.folder / "flotilla.yaml";
  if (!(std::ofstream(file) << demo_file(demo.ports, !demo.redis_server.empty()) << std::flush)) {
    return fail(Errc::io, fmt::format("cannot write {}", file.string()));
  }
  auto started = start_redis(demo);
  if (started) {
    started = demo.processes.start("flotilla", {self, "up", file});
  }
  for (std::size_t i = 0; started && i < std::size(kDemoRoles); ++i) {
    const std::string role(kDemoRoles[i]);
    started = demo.processes.start(
        role,
        {self.parent_path() / "shop", "--service", role, "--port", fmt::to_string(demo.ports.service(i)),
         "--consul", fmt::format("http://127.0.0.1:{}", demo.ports.registry), "--gateway",
         fmt::format("http://127.0.0.1:{}", demo.ports.gateway), "--data", demo.folder / (role + ".data")});
    std::printf("  %-22s http://127.0.0.1:%d\n", (role == "monolith" ? role : role + "-service").c_str(),
                demo.ports.service(i));
  }
  return started;
}

bool lists_every_service(const DemoAnswer& answer, const DemoPorts& ports) {
  for (std::size_t i = 0; i < std::size(kDemoRoles); ++i) {
    if (!answer.response.body.contains(fmt::format("127.0.0.1:{}", ports.service(i)))) {
      return false;
    }
  }
  return answer.status == 200;
}

net::Task<Result<>> wait_until_ready(Demo& demo) {
  const Instant limit = demo.loop.now() + 20s;
  while (demo.loop.now() < limit) {
    if (const std::string ended = demo.processes.first_ended(); !ended.empty()) {
      co_return fail(Errc::unavailable, fmt::format("{} ended by itself; is its port taken? {} tells", ended,
                                                    (demo.folder / (ended + ".log")).string()));
    }
    if (lists_every_service(co_await ask(demo.loop, {.port = demo.ports.admin, .target = "/api/v1/services"}),
                            demo.ports)) {
      co_return Result<>{};
    }
    co_await net::sleep_for(demo.loop, 50ms);
  }
  co_return fail(Errc::timeout, fmt::format("the shop did not come up within 20 s; the logs in {} tell why",
                                            demo.folder.string()));
}

// Ends the loop, but for a demo without a tour that has come up: that serves until a signal ends the loop.
net::Task<> run(Demo& demo) {
  auto up = start_all(demo);
  if (up) {
    up = co_await wait_until_ready(demo);
  }
  if (!up) {
    std::fprintf(stderr, "flotilla: %s\n", up.error().message.c_str());
    demo.loop.stop();
    co_return;
  }
  std::printf(
      "  public gateway         http://127.0.0.1:%d\n  mobile gateway         http://127.0.0.1:%d\n"
      "  registry               http://127.0.0.1:%d (Consul API)\n  admin, metrics         "
      "http://127.0.0.1:%d\n  application API        http://127.0.0.1:%d\n",
      demo.ports.gateway, demo.ports.mobile, demo.ports.registry, demo.ports.admin, demo.ports.api);
  if (demo.tour) {
    demo.code = co_await play_tour(demo.loop, demo.processes, demo.ports, !demo.redis_server.empty()) ? 0 : 1;
    demo.loop.stop();
    co_return;
  }
  std::printf("%s", demo_guide(demo.ports).c_str());
  demo.code = 0;
}

// The exit code; everything that was started has ended.
Result<int> run_in(const fs::path& folder, bool tour, const DemoPorts& ports) {
  auto loop = net::Loop::create();
  if (!loop) {
    return std::unexpected(loop.error());
  }
  DemoProcesses processes{folder};
  Demo demo{.loop = **loop,
            .processes = processes,
            .ports = ports,
            .folder = folder,
            .tour = tour,
            .redis_server = cqrs::RedisProtocol::load() ? find_program("redis-server") : ""};
  net::Scope running;
  auto signals = net::SignalSource::open(**loop, {SIGINT, SIGTERM}, [&](int) {
    std::printf("Stopping\n");
    (*loop)->stop();
  });
  if (!signals) {
    return std::unexpected(signals.error());
  }
  (*loop)->post([&] { running.spawn(run(demo)); });
  (*loop)->run();
  running.cancel_all();
  return demo.code;
}

}  // namespace

int run_demo(bool tour, const DemoPorts& ports) {
  net::block_signals({SIGINT, SIGTERM});
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);  // also when a program reads it
  const auto held = take_ports(ports);
  if (!held) {
    std::fprintf(stderr, "flotilla: %s (or --ports-from)\n", held.error().message.c_str());
    return 1;
  }
  const auto folder = make_folder();
  if (!folder) {
    std::fprintf(stderr, "flotilla: %s\n", folder.error().message.c_str());
    return 1;
  }
  std::printf("Starting the shop; file, logs and data are in %s\n", folder->c_str());
  const auto code = run_in(*folder, tour, ports);
  if (!code) {
    std::fprintf(stderr, "flotilla: %s\n", code.error().message.c_str());
    return 1;
  }
  if (*code == 0) {
    std::error_code ignored;  // a folder of temporary files that stays is no failure
    fs::remove_all(*folder, ignored);
  }
  return *code;
}

}  // namespace flotilla::app
