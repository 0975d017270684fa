// Subscriptions that services declare at run time, beside those of the file: durable, and there again after a
// restart; and forgetting where a subscription stood.
//
// For: subscription_api.hpp; `app`, which loads them at the start, lets it tend them, and runs what all()
// says. What is declared is as the file would have it, read and checked by the same reader, and never takes
// the name of one of the file. A name that the file takes later is the file's: the declared one rests
// meanwhile. In a journal of several processes the one that has the name's home shard writes; the others look
// every so often. Forgetting is a state of its own on disk: the subscription stops everywhere, each process
// deletes what is saved of it in the shards that it has, and then the name is free. So a crash leaves nothing
// half done. Ownership: the journal and the runner outlive it. Threads: the control thread's loop; load()
// blocks, before it runs. Limits: kMaxSubscriptions with those of the file; kMaxDeclaration bytes each.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/strong.hpp"
#include "flotilla/events/core/declaration.hpp"
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

// What a declaration is judged by, and who must know of changes.
struct DeclarationSurroundings {
  std::function<bool(const ServiceName&)> has_service;
  std::function<bool(const std::string& name)> in_file;
  std::function<std::size_t()> file_count;
  std::function<void()> changed;  // all() is another one
};

class DeclaredSubscriptions {
 public:
  DeclaredSubscriptions(journal::Journal& journal, SubscriptionRunner& runner) noexcept
      : journal_(journal), runner_(runner) {}

  void set(DeclarationSurroundings around) { around_ = std::move(around); }

  // Blocks. Errors: those of the journal.
  [[nodiscard]] Result<> load();
  // In the order of their names; what cannot be read any more is left out, and logged.
  [[nodiscard]] std::vector<SubscriptionPtr> all() const;

  // The shard of the journal whose owner writes what becomes of that name.
  [[nodiscard]] std::uint32_t home(std::string_view name) const;
  // Declares it, or anew; true: it is new. Durable when answered. Errors: malformed (no JSON), invalid (as
  // the file's reader says), too_large, conflict (of the file; another topic; being forgotten; too many),
  // overloaded, store_unavailable.
  [[nodiscard]] net::Task<Asked<bool>> put(std::string name, std::string text, std::string who);
  // It stops, and where it stood is deleted soon. Of one that is declared; `any`: also of one that the file
  // had once. Errors: not_found, conflict (the file names it), overloaded, store_unavailable.
  [[nodiscard]] net::Task<Asked<Done>> forget(std::string name, std::string who, std::string why, bool any);

  // One look at what others declared, and one step of forgetting. Errors: those of the journal.
  [[nodiscard]] net::Task<Result<>> tend();

 private:
  struct Entry {
    journal::StreamId stream;
    std::uint64_t version = 0;
    Declaration declaration;
    SubscriptionPtr subscription;  // null: it is being forgotten, or cannot be read
  };

  [[nodiscard]] Asked<SubscriptionPtr> read(const Declaration& declaration) const;
  void put_entry(journal::StreamId stream, std::uint64_t version, Declaration declaration);
  [[nodiscard]] Result<> take_record(journal::StreamId stream, std::uint64_t version,
                                     const Result<journal::Page>& page);
  [[nodiscard]] bool is_known(const DeclarationRow& row) const;
  [[nodiscard]] net::Task<Result<>> refresh();
  [[nodiscard]] net::Task<Asked<Done>> write(Declaration declaration);
  // Whether anything is saved of it; the topic of that must be `topic`, if one is given. Error: conflict.
  [[nodiscard]] net::Task<Asked<bool>> stood(std::string name, std::string topic);
  [[nodiscard]] net::Task<Result<>> reap(std::string name);
  [[nodiscard]] net::Task<Result<bool>> delete_cursors(std::string name);
  [[nodiscard]] std::optional<journal::Batch> batch_for(std::uint32_t shard) const;

  journal::Journal& journal_;
  SubscriptionRunner& runner_;
  DeclarationSurroundings around_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace flotilla::events
