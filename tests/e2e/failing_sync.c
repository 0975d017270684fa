// For LD_PRELOAD: while the file that FAILING_SYNC names exists, every sync fails as on a broken disk.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int is_broken(void) {
  const char* const name = getenv("FAILING_SYNC");
  return name != NULL && access(name, F_OK) == 0;
}

static int sync_with(const char* function, int fd) {
  if (is_broken()) {
    errno = EIO;
    return -1;
  }
  int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
  return real(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }
