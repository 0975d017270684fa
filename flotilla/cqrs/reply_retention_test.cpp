// Forgetting replies, in a file: memory forgets nothing.
#include "flotilla/cqrs/reply_retention.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "flotilla/cqrs/command_rig.hpp"
#include "flotilla/cqrs/core/command_batch.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::cqrs {
namespace {

// Gives the stream of a reply that was kept under a key at that time.
net::Task<journal::StreamId> keep_reply(journal::Journal& journal, std::string key, std::int64_t time_ms,
                                        std::int64_t keep_ms = 60'000) {
  effect::Commit commit{.aggregate = "account", .id = "a", .stream = {}, .expected = {}};
  commit.reply = KeptReply{.command = "add", .id = "a", .refused = true, .code = "no"};
  commit.scope = command_scope("add");
  commit.key = std::move(key);
  commit.time_ms = time_ms;
  commit.expires_ms = time_ms + keep_ms;
  const auto done = co_await journal.append(make_batch(commit, {}, {.epoch = journal.epoch()}).batch);
  EXPECT_TRUE(done.has_value());
  co_return done->created.front();
}

net::Task<std::size_t> records(journal::Journal& journal, journal::StreamId stream) {
  const auto page = co_await journal.read(
      journal::StreamQuery{.record_class = journal::RecordClass::aggregate, .stream = stream});
  co_return page->records.size();
}

TEST(ReplyRetention, ForgetsWhatWasKeptLongEnoughAndNoEvents) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / fmt::format("reply_retention_{}", ::getpid());
  std::filesystem::remove_all(folder);
  auto loop = std::move(*net::Loop::create());
  auto journal = std::move(*journal::SqliteJournal::open({.path = (folder / "file.db").string(),
                                                          .vocabulary = test::CommandRig::vocabulary(),
                                                          .now = {},
                                                          .vfs = {}}));
  net::Scope scope;
  loop->post([&] {
    scope.spawn([](net::Loop& on, journal::Journal& of) -> net::Task<> {
      const std::int64_t now = net::wall_now().ns_since_epoch / 1'000'000;
      const std::int64_t hour = 3'600'000;
      const auto older = co_await keep_reply(of, "older", now - 2 * hour);
      const auto newer = co_await keep_reply(of, "newer", now - hour / 2);
      const auto longer = co_await keep_reply(of, "longer", now - 2 * hour, 3 * hour);
      ReplyRetention retention(of);
      EXPECT_EQ(*co_await retention.forget(WallTime{now * 1'000'000}), 0U);  // no command is known
      std::string yaml = test::kAccounts;
      yaml.insert(yaml.find("  snapshot_every"), "  keep_replies: 1h\n");
      retention.replace(test::aggregates(yaml));
      EXPECT_EQ(*co_await retention.forget(WallTime{now * 1'000'000}), 1U);
      EXPECT_EQ(*co_await retention.forget(WallTime{now * 1'000'000}), 0U);
      EXPECT_EQ(retention.forgotten(), 1U);
      EXPECT_EQ(co_await records(of, older), 0U);
      EXPECT_EQ(co_await records(of, newer), 1U);
      EXPECT_EQ(co_await records(of, longer), 1U);  // as long as its key
      on.stop();
    }(*loop, *journal));
  });
  loop->run();
  journal.reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace flotilla::cqrs
