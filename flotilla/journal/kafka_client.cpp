#include "flotilla/journal/kafka_client.hpp"

#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <unistd.h>

#include "flotilla/base/log.hpp"

namespace flotilla::journal::kafka {
namespace {

// On a thread of librdkafka. Addresses of brokers, no secrets.
void on_log(const rd_kafka_t* /*client*/, int level, const char* facility, const char* text) {
  if (level <= LOG_ERR) {
    log::warning("kafka: {}: {}", facility, text);
  } else {
    log::debug("kafka: {}: {}", facility, text);
  }
}

// What librdkafka says of a value may have it in it.
bool is_secret(std::string_view name) { return name == "sasl.password"; }

}  // namespace

void add_access(Settings& settings, const Access& access) {
  settings.emplace_back("bootstrap.servers", access.brokers);
  const bool sasl = !access.user.empty();
  settings.emplace_back("security.protocol",
                        access.tls ? (sasl ? "SASL_SSL" : "SSL") : (sasl ? "SASL_PLAINTEXT" : "PLAINTEXT"));
  if (access.tls) {
    settings.emplace_back("ssl.endpoint.identification.algorithm", "https");
    const std::array<std::pair<const char*, const std::string*>, 3> files{
        {{"ssl.ca.location", &access.files.ca},
         {"ssl.certificate.location", &access.files.certificate},
         {"ssl.key.location", &access.files.key}}};
    for (const auto& [name, path] : files) {
      if (!path->empty()) {
        settings.emplace_back(name, *path);
      }
    }
  }
  if (sasl) {
    settings.emplace_back("sasl.mechanisms", access.mechanism);
    settings.emplace_back("sasl.username", access.user);
    settings.emplace_back("sasl.password", access.password);
  }
}

// What the loop watches; it may have an event of this turn left when the client has gone.
class Client::Bell final : public net::EventSource {
 public:
  explicit Bell(int fd) noexcept : fd_(fd) {}
  ~Bell() override { ::close(fd_); }
  void on_events(std::uint32_t /*events*/) override {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof(count));
    if (client != nullptr) {
      client->serve_soon();
    }
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

  Client* client = nullptr;

 private:
  int fd_;
};

void Reaper::end(const Library& library, rd_kafka_t* client) {
  threads_.emplace_back(
      [&library, client] { library.destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); });
}

Result<std::unique_ptr<Client>> Client::open(rd_kafka_type_t type, const Settings& settings, int events,
                                             net::Loop& loop, Reaper& reaper) {
  const auto loaded = kafka::library();
  if (!loaded) {
    return std::unexpected(loaded.error());
  }
  const Library& library = **loaded;
  std::array<char, 512> why{};
  rd_kafka_conf_t* const conf = library.conf_new();
  for (const auto& [name, value] : settings) {
    if (library.conf_set(conf, name, value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK) {
      library.conf_destroy(conf);
      return fail(Errc::unsupported,
                  fmt::format("librdkafka does not take {}{}{}", name, is_secret(name) ? "" : ": ",
                              is_secret(name) ? "" : why.data()));
    }
  }
  library.conf_set_events(conf, events);
  library.conf_set_log_cb(conf, &on_log);
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) {
    library.conf_destroy(conf);
    return fail(Errc::unavailable, "no client of Kafka can be made: no descriptor is left");
  }
  auto bell = std::make_unique<Bell>(fd);
  rd_kafka_t* const client = library.make(type, conf, why.data(), why.size());  // takes conf if it succeeds
  if (client == nullptr) {
    library.conf_destroy(conf);
    return fail(Errc::unavailable, fmt::format("no client of Kafka can be made: {}", why.data()));
  }
  std::unique_ptr<Client> made(
      new Client(library, loop, reaper, client, type == RD_KAFKA_CONSUMER, std::move(bell)));
  if (!loop.watch(fd, EPOLLIN, *made->bell_)) {
    return fail(Errc::unavailable, "no client of Kafka can be made: the loop watches no more descriptors");
  }
  return made;
}

Client::Client(const Library& library, net::Loop& loop, Reaper& reaper, rd_kafka_t* client, bool consumer,
               std::unique_ptr<Bell> bell)
    : library_(library), loop_(loop), reaper_(reaper), client_(client), bell_(std::move(bell)) {
  bell_->client = this;
  if (consumer) {
    library_.poll_set_consumer(client_);
  }
  queue_ = consumer ? library_.queue_get_consumer(client_) : library_.queue_get_main(client_);
  const std::uint64_t one = 1;
  library_.queue_io_event_enable(queue_, bell_->fd(), &one, sizeof(one));
}

Client::~Client() {
  *alive_ = false;
  library_.queue_io_event_enable(queue_, -1, nullptr, 0);
  library_.queue_destroy(queue_);
  reaper_.end(library_, client_);
  loop_.unwatch(bell_->fd());
  bell_->client = nullptr;
  loop_.retire(std::move(bell_));
}

void Client::serve(Handler handler) {
  handler_ = std::move(handler);
  serve_soon();
}

void Client::hold(bool held) {
  if (std::exchange(held_, held) && !held) {
    serve_soon();
  }
}

void Client::serve_soon() {
  if (!std::exchange(posted_, true)) {
    loop_.post([this, alive = alive_] {
      if (*alive) {
        posted_ = false;
        serve_some();
      }
    });
  }
}

void Client::serve_some() {
  for (std::size_t taken = 0; !held_ && handler_; ++taken) {
    if (taken == kMaxEventsAtOnce) {
      serve_soon();
      return;
    }
    rd_kafka_event_t* const event = library_.queue_poll(queue_, 0);
    if (event == nullptr) {
      return;
    }
    handler_(event);
    library_.event_destroy(event);
  }
}

}  // namespace flotilla::journal::kafka
