#include "flotilla/base/shared_library.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla {
namespace {

using testing::HasSubstr;
using testing::IsNull;
using testing::NotNull;

TEST(SharedLibrary, FindsFunctionsByTheirNames) {
  double (*cosine)(double) = nullptr;
  double (*sine)(double) = nullptr;
  SharedLibrary library("libm.so.6");
  library.find(cosine, "cos").find(sine, "sin");
  ASSERT_EQ(library.error(), "");
  EXPECT_EQ(cosine(0), 1);
  EXPECT_EQ(sine(0), 0);
}

TEST(SharedLibrary, SaysWhichLibraryCannotBeLoaded) {
  void (*function)() = nullptr;
  SharedLibrary library("libflotilla-has-no-such.so.0");
  library.find(function, "anything");
  EXPECT_THAT(library.error(), HasSubstr("libflotilla-has-no-such.so.0"));
  EXPECT_THAT(function, IsNull());
}

TEST(SharedLibrary, NamesTheFirstFunctionThatItDoesNotHaveAndFindsNoMore) {
  double (*cosine)(double) = nullptr;
  double (*sine)(double) = nullptr;
  void (*neither)() = nullptr;
  SharedLibrary library("libm.so.6");
  library.find(cosine, "cos")
      .find(neither, "flotilla_first")
      .find(neither, "flotilla_second")
      .find(sine, "sin");
  EXPECT_EQ(library.error(), "flotilla_first");
  EXPECT_THAT(cosine, NotNull());
  EXPECT_THAT(neither, IsNull());
  EXPECT_THAT(sine, IsNull());
}

}  // namespace
}  // namespace flotilla
