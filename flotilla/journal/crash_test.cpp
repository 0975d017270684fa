// kill -9 in the middle of work: what was acknowledged is there afterwards, whole.
#include <csignal>
#include <set>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flotilla/base/random.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

// Runs the writer until it has acknowledged `lines` batches, kills it, and gives all that it acknowledged.
std::set<std::string> run_and_kill(const std::string& store, std::size_t lines) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl(FLOTILLA_CRASH_WRITER, "crash_writer", store.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string output;
  bool killed = false;
  char buffer[4096];
  for (ssize_t size = 0; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(size));
    if (!killed && static_cast<std::size_t>(std::ranges::count(output, '\n')) >= lines) {
      ::kill(child, SIGKILL);
      killed = true;
    }
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the writer ended by itself: " << output;
  std::set<std::string> acknowledged;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = output.find('\n', begin)) != std::string::npos; begin = end + 1) {
    acknowledged.insert(output.substr(begin, end - begin));
  }
  return acknowledged;
}

TEST(Crash, KilledWritersLoseNothingAcknowledged) {
  const test::Directory directory;
  const std::string store = directory.file("journal.db");
  Random random(1);
  std::set<std::string> acknowledged;
  for (int round = 0; round < 5; ++round) {
    acknowledged.merge(run_and_kill(store, 1 + random.below(400)));
    auto journal = SqliteJournal::open({.path = store, .vocabulary = test::vocabulary()});
    ASSERT_TRUE(journal.has_value()) << journal.error().message;
    std::set<std::string> found;
    CategoryQuery query = test::of_category(RecordClass::topic, "t");
    std::uint64_t position = 0;
    for (bool at_end = false; !at_end;) {
      const Page page = test::read(**journal, query).value();
      for (const RecordPtr& stored : page.records) {
        ASSERT_EQ(stored->position.number(), ++position);
        found.insert(test::text_of(*stored));
      }
      query.after = page.next;
      at_end = page.at_end;
    }
    for (const std::string& name : acknowledged) {
      ASSERT_TRUE(found.contains(name + "/1") && found.contains(name + "/2")) << name;
      ASSERT_TRUE(test::find(**journal, "crash", name).has_value()) << name;
    }
    ASSERT_EQ(found.size() % 2, 0U);
  }
  EXPECT_GT(acknowledged.size(), 100U);
}

TEST(StoreLock, ASecondProcessIsRefusedWithTheFirstOnesId) {
  const test::Directory directory;
  const std::string store = directory.file("journal.db");
  auto first = SqliteJournal::open({.path = store, .vocabulary = test::vocabulary()});
  ASSERT_TRUE(first.has_value());
  const auto second = SqliteJournal::open({.path = store, .vocabulary = test::vocabulary()});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::conflict);
  EXPECT_EQ(second.error().message, "cannot open the store " + store + ": another process (" +
                                        std::to_string(::getpid()) + ") uses this store (" + store +
                                        ".lock is locked): stop it, or name another file");
  first->reset();
  EXPECT_TRUE(SqliteJournal::open({.path = store, .vocabulary = test::vocabulary()}).has_value());
}

}  // namespace
}  // namespace flotilla::journal
