// What every test includes: the standard headers of pch.hpp, and GoogleTest.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmake/pch.hpp"
