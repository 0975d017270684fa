#include "flotilla/cqrs/view.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace flotilla::cqrs {

Serving::Serving(std::string_view view, const ViewVersion& version, std::optional<std::uint64_t> epoch)
    : generation_(version.generation),
      table_(rows_table(view, version.generation)),
      cursor_(checkpoint_cursor(view, version.generation, version.texts.from.front())),
      by_row_(!version.texts.row.empty()),
      epoch_(epoch) {}

journal::ReadToken Serving::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

bool Serving::has_come_to(journal::Position position) const {
  const std::lock_guard lock(mutex_);
  return position_.covers(position);
}

std::optional<AnswerBody> Serving::find(std::string_view key) {
  Stripe& here = stripe(key);
  const std::lock_guard lock(here.mutex);
  return here.answers.find(key);
}

void Serving::keep(std::string_view key, AnswerBody body, const journal::ReadToken& position) {
  if (!epoch_) {
    return;
  }
  Stripe& here = stripe(key);
  const std::lock_guard lock(here.mutex);
  here.answers.put(key, std::move(body), position.total());
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

bool View::has_waiting() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

// What is old goes from memory before anyone is told of the new position.
void View::publish(const effect::Serve& serve, const ViewVersion& version, const Voice& voice) {
  ServingPtr now = serving();
  journal::ReadToken position = serve.position;
  const bool fresh =
      voice.begins || now == nullptr || now->generation() != serve.generation || now->epoch() != voice.epoch;
  if (fresh) {
    // What was told before holds: there is nothing between that was not folded. Of another version an engine
    // knows that of what engines told.
    if (now != nullptr && (now->generation() == serve.generation || (now->epoch() && voice.epoch))) {
      position.advance_to(now->position());
    }
    now = std::make_shared<Serving>(name_, version, voice.epoch);
    now->position_ = journal::ReadToken(position.shards());
  }
  // Rows that expire change at a position that was served before. What was read at that position may be from
  // before the change, so nothing that is read there is kept any more.
  const bool moves = fresh || !now->position().covers(serve.position);
  const std::uint64_t changed_at = serve.position.total() + (moves ? 0 : 1);
  for (const std::string& key : serve.changed) {
    Serving::Stripe& here = now->stripe(key);
    const std::lock_guard lock(here.mutex);
    here.answers.changed(key, changed_at);
  }
  now->behind_since_ms_.store(serve.behind_since_ms, std::memory_order_relaxed);
  {
    const std::lock_guard lock(now->mutex_);
    now->position_.advance_to(position);
  }
  if (fresh) {
    const std::lock_guard lock(mutex_);
    serving_ = std::move(now);
  }
  wake(position);
  wake(kMore, kMore);
}

void View::looked(Instant when) {
  looked_.store(when.time_since_epoch().count(), std::memory_order_release);
  wake(kLook, kLook);
}

void View::wake(const journal::ReadToken& position) {
  for (std::uint32_t shard = 0; shard < position.shards(); ++shard) {
    if (position.at(shard).number() > 0) {
      wake({shard, 0}, {shard, position.at(shard).number()});
    }
  }
}

void View::wake(Wish from, Wish to) {
  std::vector<std::shared_ptr<Line>> there;
  {
    const std::lock_guard lock(mutex_);
    const auto end = waiting_.upper_bound(to);
    for (auto each = waiting_.lower_bound(from); each != end; ++each) {
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
  Place(View& view, Wish wish) : view_(view), line_(std::make_shared<Line>(net::Loop::current(), &bell_)) {
    const std::lock_guard lock(view_.mutex_);
    if (view_.waiting_.size() < kMaxWaiting) {
      at_ = view_.waiting_.emplace(wish, line_);
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
  std::multimap<Wish, std::shared_ptr<Line>>::iterator at_;
  bool admitted_ = false;
};

template <class Come>
net::Task<std::optional<bool>> View::wait_until(Wish wish, Come come, Instant deadline) {
  if (come()) {
    co_return true;
  }
  Place place(*this, wish);
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

net::Task<std::optional<bool>> View::wait(journal::Position position, Instant deadline) {
  const auto come = [this, position] {
    const ServingPtr now = serving();
    return now != nullptr && now->has_come_to(position);
  };
  if (!come()) {
    reads_.waited.fetch_add(1, std::memory_order_relaxed);
  }
  co_return co_await wait_until({position.shard(), position.number()}, come, deadline);
}

net::Task<std::optional<bool>> View::wait_beyond(journal::ReadToken seen, Instant deadline) {
  return wait_until(
      kMore,
      [this, seen = std::move(seen)] {
        const ServingPtr now = serving();
        return now != nullptr && !seen.covers(now->position());
      },
      deadline);
}

net::Task<std::optional<bool>> View::wait_for_look(Instant since, Instant deadline) {
  return wait_until(
      kLook,
      [this, since] { return looked_.load(std::memory_order_acquire) >= since.time_since_epoch().count(); },
      deadline);
}

}  // namespace flotilla::cqrs
