#include "flotilla/events/erasure.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/events/letter_reader.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::events {
namespace {

using journal::PersonalFields;
using journal::RecordClass;

constexpr Duration kAgain = std::chrono::milliseconds(50);
constexpr std::size_t kLettersAtOnce = 200;

Refusal unavailable(const Error& error) {
  return {.reason = error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
          .detail = error.message,
          .retry_after = std::chrono::seconds(1)};
}

// Everything that some topic's `subject` finds the subject in.
std::string data_of(const journal::KeyVault::Policies& policies, const std::string& subject) {
  json::Value data = json::Value::object({{"subject", subject}});
  for (const auto& [topic, personal] : policies) {
    const auto one = json::parse(data_about(personal, subject));
    if (one && one->members().size() == 1) {
      data.set(one->members()[0].key(), one->members()[0].value);
    }
  }
  return json::write(data);
}

}  // namespace

journal::KeyVault::Policies personal_topics(journal::KeyVault::Policies declared,
                                            const std::vector<DerivedTopic>& derived) {
  journal::KeyVault::Policies policies = std::move(declared);
  // What is made of what is made: at most as often as there are topics.
  for (bool changed = !policies.empty(); std::exchange(changed, false);) {
    for (const DerivedTopic& each : derived) {
      const auto from = policies.find(each.from);
      if (from == policies.end() || each.to.empty()) {
        continue;
      }
      const PersonalFields source = from->second;
      PersonalFields& into =
          policies.try_emplace(each.to, PersonalFields{.subject = source.subject, .fields = {}})
              .first->second;
      for (const journal::FieldPath& field : source.fields) {
        if (std::ranges::find(into.fields, field) == into.fields.end()) {
          into.fields.push_back(field);
          changed = true;
        }
      }
    }
  }
  return policies;
}

void Erasure::set_personal(journal::KeyVault::Policies policies) {
  policies_ = std::move(policies);
  if (journal::PersonalUpkeep* const upkeep = journal::personal_upkeep(journal_)) {
    upkeep->set_personal(policies_);
  }
}

void Erasure::collect(telemetry::MetricsPage& page) const {
  constexpr telemetry::Family kPersonal{"flotilla_events_personal_total",
                                        "Events with personal data, by what became of it."};
  journal::PersonalUpkeep* const upkeep = journal::personal_upkeep(journal_);
  if (upkeep == nullptr) {
    return;
  }
  const journal::KeyVault::Counters& counters = upkeep->vault().counters();
  for (const auto& [read, count] :
       {std::pair("sealed", &counters.sealed), std::pair("opened", &counters.opened),
        std::pair("erased", &counters.erased), std::pair("missing", &counters.missing),
        std::pair("nobodys", &counters.nobodys)}) {
    page.counter(kPersonal, {{"read", read}}, count->load());
  }
}

net::Task<Asked<journal::KeyVault::Known>> Erasure::show(std::string subject) {
  journal::PersonalUpkeep* const upkeep = journal::personal_upkeep(journal_);
  if (upkeep == nullptr) {
    co_return refuse(Reason::not_found, "no topic has personal fields: that takes a journal in SQLite");
  }
  const auto known = upkeep->vault().known(subject);
  if (!known) {
    co_return std::unexpected(unavailable(known.error()));
  }
  if (policies_.empty() && !known->has_key) {
    co_return refuse(Reason::not_found, "no topic of the file has personal fields");
  }
  co_return *known;
}

net::Task<Asked<Erasure::Done>> Erasure::erase(std::string subject, WhoWhy who_why) {
  // Also what was sealed before the file stopped to say so.
  if (const auto known = co_await show(subject); !known) {
    co_return std::unexpected(known.error());
  }
  if (subject.empty() || subject.size() > journal::kMaxSubject) {
    co_return refuse(Reason::invalid, fmt::format("a subject has 1 to {} bytes", journal::kMaxSubject));
  }
  const Instant deadline = saturating_add(net::Loop::current()->now(), kPatience);
  journal::Reply<Result<std::int64_t>> reply;
  journal::personal_upkeep(journal_)->erase_key(subject, reply.send());
  const auto keys = co_await reply;
  if (!keys) {
    co_return std::unexpected(unavailable(keys.error()));
  }
  Done done{.keys = *keys, .position = {}, .waits_for = {}};
  auto told = co_await tell(subject, who_why);
  if (!told) {
    co_return std::unexpected(std::move(told.error()));
  }
  done.position = *std::move(told);
  const auto dropped = co_await drop_letters(subject);
  if (!dropped) {
    co_return std::unexpected(unavailable(dropped.error()));
  }
  done.dead_letters = *dropped;
  done.waits_for = co_await clean(deadline);
  log::info("subject {}: erased by {} ({}): {} keys, {} dead letters", subject, who_why.who, who_why.why,
            done.keys, done.dead_letters);
  co_return done;
}

net::Task<Asked<std::string>> Erasure::tell(const std::string& subject, const WhoWhy& who_why) {
  journal::Event event;
  event.attributes = {{"type", "SubjectErased"}, {"source", "/subjects"},    {"subject", subject},
                      {"erasedby", who_why.who}, {"erasedwhy", who_why.why}, {"partitionkey", subject}};
  event.data = data_of(policies_, subject);
  const TopicPtr topic = default_topic(std::string(kErasedTopic));
  const WallTime now = net::wall_now();
  auto completed = complete(*topic, std::move(event), {}, now, random_);
  if (!completed) {
    co_return std::unexpected(std::move(completed.error()));
  }
  std::vector<CompleteEvent> events;
  events.push_back(*std::move(completed));
  auto published = co_await publisher_.publish(topic, std::move(events), now);
  if (!published) {
    co_return std::unexpected(std::move(published.error()));
  }
  co_return published->position.text();
}

net::Task<Result<std::uint64_t>> Erasure::drop_letters(const std::string& subject) {
  const auto counts = co_await journal_.count(journal::CountQuery{.record_class = RecordClass::queue});
  if (!counts) {
    co_return std::unexpected(counts.error());
  }
  std::set<std::string> names;
  for (const journal::StateCount& each : *counts) {
    if (subscription_of_row(each.name)) {
      names.insert(each.name);
    }
  }
  std::uint64_t dropped = 0;
  for (const std::string& name : names) {
    const auto some = co_await drop_letters_of(name, subject);
    if (!some) {
      co_return some;
    }
    dropped += *some;
  }
  co_return dropped;
}

// Whatever state they are in: a subscription that is at one of them finds it gone.
net::Task<Result<std::uint64_t>> Erasure::drop_letters_of(std::string row_name, std::string subject) {
  std::uint64_t dropped = 0;
  journal::SummaryQuery query{.record_class = RecordClass::queue,
                              .name = std::move(row_name),
                              .newest_first = false,
                              .limit = kLettersAtOnce,
                              .search = {}};
  for (;;) {
    const auto rows = co_await journal_.list(query);
    if (!rows) {
      co_return std::unexpected(rows.error());
    }
    std::vector<journal::StreamId> streams;
    for (const journal::Summary& row : *rows) {
      query.after = row.stream;
      const auto letter = co_await read_letter(journal_, row.stream);
      if (!letter) {
        co_return std::unexpected(letter.error());
      }
      if (*letter == nullptr) {
        continue;
      }
      const journal::Event& event = (*letter)->event;
      const auto personal = policies_.find(event.attribute("deadlettertopic"));
      if (personal != policies_.end() && subject_of(personal->second, event.data) == subject) {
        streams.push_back(row.stream);
      }
    }
    if (!streams.empty()) {
      dropped += streams.size();
      journal::Reply<Result<std::int64_t>> reply;
      journal_.forget_streams(RecordClass::queue, std::move(streams), reply.send());
      if (const auto gone = co_await reply; !gone) {
        co_return std::unexpected(gone.error());
      }
    }
    if (rows->size() < query.limit) {
      co_return dropped;
    }
  }
}

// Views first: what their rows said before is in the log, too.
net::Task<std::vector<std::string>> Erasure::clean(Instant deadline) {
  std::vector<std::string> left;
  if (rebuild_) {
    std::set<std::string> topics;
    for (const auto& [topic, personal] : policies_) {
      topics.insert(topic);
    }
    left = co_await rebuild_(topics, true);
    while (!left.empty() && net::Loop::current()->now() < deadline) {
      co_await net::sleep_for(*net::Loop::current(), kAgain);
      left = co_await rebuild_(topics, false);
    }
  }
  for (bool cut = false; !cut;) {
    journal::Reply<Result<std::int64_t>> reply;
    journal::personal_upkeep(journal_)->scrub(reply.send());
    cut = (co_await reply).value_or(0) == 1;
    if (!cut && net::Loop::current()->now() >= deadline) {
      left.emplace_back("the journal's log, which readers hold");
      break;
    }
    if (!cut) {
      co_await net::sleep_for(*net::Loop::current(), kAgain);
    }
  }
  co_return left;
}

}  // namespace flotilla::events
