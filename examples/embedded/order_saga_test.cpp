// The example as a person runs it, and killed with SIGKILL at random moments.
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flotilla/base/random.hpp"
#include "shop_file.hpp"

namespace embedded_example {
namespace {

struct Ran {
  std::set<std::string> lines;
  bool killed = false;
  int exit_code = -1;
};

// Runs the example, and kills it `pause` after it has written `kill_after` lines; 0: never.
Ran run(std::vector<std::string> args, std::size_t kill_after = 0, flotilla::Duration pause = {}) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  args.insert(args.begin(), "order_saga");
  std::vector<char*> argv;
  for (std::string& arg : args) {
    argv.push_back(arg.data());
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execv(FLOTILLA_ORDER_SAGA, argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  Ran ran;
  std::string output;
  char buffer[4096];
  for (ssize_t size = 0; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(size));
    if (kill_after > 0 && static_cast<std::size_t>(std::ranges::count(output, '\n')) >= kill_after) {
      std::this_thread::sleep_for(pause);
      ::kill(child, SIGKILL);
      kill_after = 0;
    }
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  ran.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = output.find('\n', begin)) != std::string::npos; begin = end + 1) {
    ran.lines.insert(output.substr(begin, end - begin));
  }
  return ran;
}

class OrderSaga : public testing::Test {
 protected:
  OrderSaga()
      : directory_(std::filesystem::path(testing::TempDir()) / fmt::format("order_saga_{}", ::getpid())) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~OrderSaga() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string directory() const { return directory_.string(); }

  // "reserve charge ship release refund"
  static std::string effects(ShopFile& shop, const std::string& order) {
    return fmt::format("{} {} {} {} {}", shop.count("reserve", order), shop.count("charge", order),
                       shop.count("ship", order), shop.count("release", order), shop.count("refund", order));
  }

 private:
  std::filesystem::path directory_;
};

TEST_F(OrderSaga, ShipsWhatIsPaidAndReleasesWhatIsNot) {
  const Ran ran = run({directory()});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.lines, (std::set<std::string>{"started o-good", "started o-poor", "completed o-good",
                                              "compensated o-poor"}));
  const auto shop = ShopFile::open(directory() + "/shop.db");
  ASSERT_TRUE(shop);
  EXPECT_EQ(effects(**shop, "o-good"), "1 1 1 0 0");
  EXPECT_EQ(effects(**shop, "o-poor"), "1 0 0 1 0");
  EXPECT_TRUE(run({directory()}).lines.contains("found o-good"));
  EXPECT_EQ(effects(**shop, "o-good"), "1 1 1 0 0");
}

TEST_F(OrderSaga, LosesNothingAndDoesNothingTwiceWhenKilled) {
  constexpr int kRounds = 8;
  constexpr int kOrders = 40;
  const std::uint64_t seed = 20261124;
  RecordProperty("seed", std::to_string(seed));
  flotilla::Random random(seed);
  std::set<std::string> told;
  int kills = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t lines = 1 + random.below(2 * kOrders - 10);
    const auto pause = std::chrono::microseconds(random.below(5000));
    Ran ran = run({directory(), "--many", fmt::format("r{}", round), std::to_string(kOrders)}, lines, pause);
    kills += ran.killed ? 1 : 0;
    told.merge(ran.lines);
  }
  EXPECT_GE(kills, kRounds / 2);  // some may have ended before the signal came

  // Whoever was interrupted asks again: the same orders, which are found and end.
  std::set<std::string> ends;
  for (int round = 0; round < kRounds; ++round) {
    Ran ran = run({directory(), "--many", fmt::format("r{}", round), std::to_string(kOrders)});
    ASSERT_EQ(ran.exit_code, 0);
    ends.merge(ran.lines);
  }
  const auto shop = ShopFile::open(directory() + "/shop.db");
  ASSERT_TRUE(shop);
  std::size_t acknowledged = 0;
  for (int i = 0; i < kRounds * kOrders; ++i) {
    const int number = i % kOrders;
    const std::string order = fmt::format("r{}-{}", i / kOrders, number);
    const std::string state = number % 3 == 0 ? "compensated " : "completed ";
    EXPECT_EQ(effects(**shop, order), number % 3 == 0 ? "1 0 0 1 0" : "1 1 1 0 0") << order;
    EXPECT_TRUE(ends.contains(state + order)) << order;
    if (told.contains("started " + order)) {
      ++acknowledged;
      EXPECT_TRUE(ends.contains("found " + order)) << order << " was acknowledged and is lost";
    }
  }
  EXPECT_GT(acknowledged, 50U);
}

}  // namespace
}  // namespace embedded_example
