#include "flotilla/net/resolver.hpp"

#include <unordered_map>

#include <ares.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/epoll.h>

#include "flotilla/base/text.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::net {
namespace {

constexpr Duration kShortestKept = std::chrono::seconds(1);
constexpr Duration kLongestKept = std::chrono::seconds(30);
// c-ares keeps its own timeouts; it is asked to look at them this often while a query is out.
constexpr Duration kProcessEvery = std::chrono::milliseconds(100);

// A query that c-ares works on. It outlives its awaiter: c-ares calls back exactly once.
struct Query {
  Event done;
  int status = ARES_SUCCESS;
  bool answered = false;
  bool abandoned = false;
  std::vector<SocketAddress> addresses;
  std::int64_t ttl_seconds = 0;
};

// c-ares must be initialised once per process, before any channel.
bool library_ready() {
  static const bool ready = ::ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return ready;
}

void on_answer(void* argument, int status, int, ares_addrinfo* info) {
  std::unique_ptr<Query> query(static_cast<Query*>(argument));
  query->status = status;
  query->answered = true;
  if (info != nullptr) {
    for (const ares_addrinfo_node* node = info->nodes;
         node != nullptr && query->addresses.size() < Resolver::kMostAddresses; node = node->ai_next) {
      query->addresses.push_back(SocketAddress::from_system(node->ai_addr, node->ai_addrlen));
      query->ttl_seconds = query->addresses.size() == 1
                               ? node->ai_ttl
                               : std::min<std::int64_t>(query->ttl_seconds, node->ai_ttl);
    }
    ::ares_freeaddrinfo(info);
  }
  if (!query->abandoned) {
    query->done.set();
    (void)query.release();  // its awaiter deletes it
  }
}

}  // namespace

class Resolver::Implementation {
 public:
  explicit Implementation(Loop& loop)
      : loop_(loop), tick_([](void* self) { static_cast<Implementation*>(self)->process(); }, this) {}
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;
  ~Implementation() {
    if (channel_ != nullptr) {
      ::ares_destroy(channel_);  // calls every callback with ARES_EDESTRUCTION
    }
  }

  bool open() {
    ares_options options{};
    options.sock_state_cb = &Implementation::on_socket;
    options.sock_state_cb_data = this;
    options.timeout = 2000;
    options.tries = 2;
    return ::ares_init_options(&channel_, &options,
                               ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) == ARES_SUCCESS;
  }

  Task<Result<std::vector<SocketAddress>>> resolve(std::string host, std::uint16_t port, Instant deadline) {
    if (auto literal = SocketAddress::from_ip(host == "localhost" ? "127.0.0.1" : host, port)) {
      co_return std::vector{*literal};
    }
    const std::string key = fmt::format("{}:{}", to_lower(host), port);
    if (const auto kept = kept_.find(key); kept != kept_.end()) {
      if (kept->second.until > loop_.now()) {
        co_return kept->second.addresses;
      }
      kept_.erase(kept);
    }
    co_return co_await ask(host, port, key, deadline);
  }

 private:
  struct Kept {
    std::vector<SocketAddress> addresses;
    Instant until;
  };
  struct Watched final : EventSource {
    Watched(Implementation& resolver, int socket) : owner(resolver), fd(socket) {}
    void on_events(std::uint32_t events) override {
      ::ares_process_fd(owner.channel_, (events & ~std::uint32_t{EPOLLOUT}) != 0 ? fd : ARES_SOCKET_BAD,
                        (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
    }
    Implementation& owner;
    int fd;
  };
  // Marks the query abandoned if its awaiter goes first, and deletes it otherwise.
  struct Claim {
    explicit Claim(Query& q) : query(&q) {}
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim() {
      if (query->answered) {
        delete query;
      } else {
        query->abandoned = true;
      }
    }
    Query* query;
  };

  Task<Result<std::vector<SocketAddress>>> ask(std::string host, std::uint16_t port, std::string key,
                                               Instant deadline) {
    auto* const query = new Query;  // shared with c-ares, see Claim
    const Claim claim(*query);
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const std::string service = fmt::format("{}", port);
    hints.ai_flags = ARES_AI_NUMERICSERV;
    ::ares_getaddrinfo(channel_, host.c_str(), service.c_str(), &hints, &on_answer, query);
    loop_.arm(tick_, loop_.now() + kProcessEvery);
    while (!query->answered) {
      if (!co_await query->done.wait(deadline)) {
        co_return fail(Errc::timeout, fmt::format("looking up '{}' took too long", host));
      }
    }
    if (query->status != ARES_SUCCESS || query->addresses.empty()) {
      const bool missing = query->status == ARES_ENOTFOUND || query->status == ARES_ENODATA;
      co_return fail(missing ? Errc::not_found : Errc::unavailable,
                     fmt::format("looking up '{}': {}", host, ::ares_strerror(query->status)));
    }
    if (kept_.size() >= kMostKept) {
      kept_.erase(kept_.begin());
    }
    const Duration ttl =
        std::clamp<Duration>(std::chrono::seconds(query->ttl_seconds), kShortestKept, kLongestKept);
    kept_[key] = Kept{query->addresses, loop_.now() + ttl};
    co_return query->addresses;
  }

  void process() {
    ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (!sockets_.empty()) {
      loop_.arm(tick_, loop_.now() + kProcessEvery);
    }
  }

  static void on_socket(void* self, ares_socket_t fd, int readable, int writable) {
    auto& resolver = *static_cast<Implementation*>(self);
    const std::uint32_t events =
        (readable != 0 ? std::uint32_t{EPOLLIN} : 0U) | (writable != 0 ? std::uint32_t{EPOLLOUT} : 0U);
    const auto known = resolver.sockets_.find(fd);
    if (events == 0) {
      if (known != resolver.sockets_.end()) {
        resolver.loop_.unwatch(fd);
        resolver.loop_.retire(std::move(known->second));
        resolver.sockets_.erase(known);
      }
    } else if (known != resolver.sockets_.end()) {
      resolver.loop_.rewatch(fd, events, *known->second);
    } else {
      auto watched = std::make_unique<Watched>(resolver, fd);
      if (resolver.loop_.watch(fd, events, *watched)) {
        resolver.sockets_.emplace(fd, std::move(watched));
      }
    }
  }

  Loop& loop_;
  ares_channel channel_ = nullptr;
  Timer tick_;
  std::unordered_map<int, std::unique_ptr<Watched>> sockets_;
  std::unordered_map<std::string, Kept> kept_;
};

Result<std::unique_ptr<Resolver>> Resolver::create(Loop& loop) {
  auto implementation = std::make_unique<Implementation>(loop);
  if (!library_ready() || !implementation->open()) {
    return fail(Errc::io, "cannot start the name resolver; check /etc/resolv.conf");
  }
  return std::unique_ptr<Resolver>(new Resolver(std::move(implementation)));
}

Resolver::Resolver(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
Resolver::~Resolver() = default;

Task<Result<std::vector<SocketAddress>>> Resolver::resolve(std::string host, std::uint16_t port,
                                                           Instant deadline) {
  return implementation_->resolve(std::move(host), port, deadline);
}

}  // namespace flotilla::net
