#include "flotilla/cqrs/view.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace flotilla::cqrs {

Serving::Serving(std::string_view view, const ViewVersion& version)
    : generation_(version.generation),
      table_(rows_table(view, version.generation)),
      cursor_(checkpoint_cursor(view, version.generation, version.texts.from.front())),
      by_row_(!version.texts.row.empty()) {}

std::optional<AnswerBody> Serving::find(std::string_view key) {
  Stripe& here = stripe(key);
  const std::lock_guard lock(here.mutex);
  return here.answers.find(key);
}

void Serving::keep(std::string_view key, AnswerBody body, std::uint64_t position) {
  Stripe& here = stripe(key);
  const std::lock_guard lock(here.mutex);
  here.answers.put(key, std::move(body), position);
}

bool Serving::is_copy_due(std::string_view key, Instant now, Duration every) {
  Stripe& here = stripe(key);
  const std::lock_guard lock(here.mutex);
  return here.answers.is_copy_due(key, now, every);
}

std::size_t Serving::bytes() const {
  std::size_t all = 0;
  for (const Stripe& each : stripes_) {
    const std::lock_guard lock(each.mutex);
    all += each.answers.bytes();
  }
  return all;
}

ServingPtr View::serving() const {
  const std::lock_guard lock(mutex_);
  return serving_;
}

std::string View::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void View::say(std::string trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

void View::on_wanted(std::function<void()> wanted) {
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(wanted);
}

void View::set_copies(std::shared_ptr<CopyDoor> door) {
  offers_every_ = door ? door->every.count() : 0;
  const std::lock_guard lock(mutex_);
  copies_ = std::move(door);
}

void View::offer(const std::string& key) {
  std::shared_ptr<CopyDoor> door;
  {
    const std::lock_guard lock(mutex_);
    door = copies_;
  }
  if (door == nullptr) {
    return;
  }
  if (door->waiting.fetch_add(1) >= CopyDoor::kMaxOffers) {
    --door->waiting;
    return;
  }
  net::Loop& loop = *door->loop;
  loop.post([door = std::move(door), key] {
    --door->waiting;
    if (door->offer) {
      door->offer(key);
    }
  });
}

// What is old goes from memory before anyone is told of the new position.
void View::publish(const effect::Serve& serve, const ViewVersion& version, bool begins) {
  ServingPtr now = serving();
  std::uint64_t position = serve.position;
  const bool fresh = begins || now == nullptr || now->generation() != serve.generation;
  if (fresh) {
    // What was told before holds: there is nothing between that an engine has not folded.
    position = std::max(position, now == nullptr ? 0 : now->position());
    now = std::make_shared<Serving>(name_, version);
  }
  for (const std::string& key : serve.changed) {
    Serving::Stripe& here = now->stripe(key);
    const std::lock_guard lock(here.mutex);
    here.answers.changed(key, serve.position);
  }
  now->behind_since_ms_.store(serve.behind_since_ms, std::memory_order_relaxed);
  now->position_.store(std::max(position, now->position()), std::memory_order_release);
  if (fresh) {
    const std::lock_guard lock(mutex_);
    serving_ = std::move(now);
  }
  wake(position);
}

void View::wake(std::uint64_t position) {
  std::vector<std::shared_ptr<Line>> there;
  {
    const std::lock_guard lock(mutex_);
    const auto end = waiting_.upper_bound(position);
    for (auto each = waiting_.begin(); each != end; ++each) {
      there.push_back(each->second);
    }
  }
  for (std::shared_ptr<Line>& line : there) {
    net::Loop& loop = *line->loop;
    loop.post([line = std::move(line)] {
      if (line->bell != nullptr) {
        line->bell->set();
      }
    });
  }
}

// A place among those that wait, as long as it lives.
class View::Place {
 public:
  Place(View& view, std::uint64_t position)
      : view_(view), line_(std::make_shared<Line>(net::Loop::current(), &bell_)) {
    const std::lock_guard lock(view_.mutex_);
    if (view_.waiting_.size() < kMaxWaiting) {
      at_ = view_.waiting_.emplace(position, line_);
      admitted_ = true;
    }
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    line_->bell = nullptr;
    if (admitted_) {
      const std::lock_guard lock(view_.mutex_);
      view_.waiting_.erase(at_);
    }
  }
  [[nodiscard]] bool admitted() const noexcept { return admitted_; }
  [[nodiscard]] net::Event& bell() noexcept { return bell_; }

 private:
  View& view_;
  net::Event bell_;
  std::shared_ptr<Line> line_;
  std::multimap<std::uint64_t, std::shared_ptr<Line>>::iterator at_;
  bool admitted_ = false;
};

net::Task<std::optional<bool>> View::wait(std::uint64_t position, Instant deadline) {
  const auto come = [&] {
    const ServingPtr now = serving();
    return now != nullptr && now->position() >= position;
  };
  if (come()) {
    co_return true;
  }
  reads_.waited.fetch_add(1, std::memory_order_relaxed);
  Place place(*this, position);
  if (!place.admitted()) {
    co_return std::nullopt;
  }
  net::Loop& loop = *net::Loop::current();
  std::function<void()> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = wanted_;
  }
  if (wanted) {
    wanted();
  }
  while (!come()) {
    if (loop.now() >= deadline) {
      co_return false;
    }
    co_await place.bell().wait(deadline);
  }
  co_return true;
}

}  // namespace flotilla::cqrs
