#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int rep_file_open(struct rep_file *file, const char *path, bool sync) {
  *file = (struct rep_file){.sync = sync};
  file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return file->fd < 0 ? errno : 0;
}

void rep_file_close(struct rep_file *file) {
  if (file->fd >= 0) {
    close(file->fd);
    file->fd = -1;
  }
}

static int map(void *self, struct hs2n_span *out) {
  const struct rep_file *const file = self;
  struct stat status;
  void *at;

  if (fstat(file->fd, &status) != 0) {
    return errno;
  }
  if (!S_ISREG(status.st_mode)) {
    return EINVAL;
  }
  *out = (struct hs2n_span){NULL, 0};
  if (status.st_size == 0) {
    return 0;
  }
  at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file->fd, 0);
  if (at == MAP_FAILED) {
    return errno;
  }
  *out = (struct hs2n_span){at, (size_t)status.st_size};
  return 0;
}

static void unmap(void *self, struct hs2n_span bytes) {
  (void)self;
  if (bytes.len > 0) {
    (void)munmap((void *)(uintptr_t)bytes.data, bytes.len);
  }
}

static int cut(void *self, uint64_t len) {
  const struct rep_file *const file = self;

  return ftruncate(file->fd, (off_t)len) != 0 ? errno : 0;
}

static int read_at(void *self, uint64_t pos, uint8_t *out, size_t len) {
  const struct rep_file *const file = self;
  size_t got = 0;

  while (got < len) {
    const ssize_t n = pread(file->fd, out + got, len - got, (off_t)(pos + got));

    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return n < 0 ? errno : EIO;
    }
    got += (size_t)n;
  }
  return 0;
}

static uint64_t clock_ns(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int write_all(const struct rep_file *file, uint64_t pos,
                     struct hs2n_span bytes) {
  size_t done = 0;

  while (done < bytes.len) {
    const ssize_t n = pwrite(file->fd, bytes.data + done, bytes.len - done,
                             (off_t)(pos + done));

    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return n < 0 ? errno : ENOSPC;
    }
    done += (size_t)n;
  }
  return 0;
}

static int append(void *self, uint64_t pos, struct hs2n_span bytes) {
  struct rep_file *const file = self;
  const uint64_t before = clock_ns();
  int err = write_all(file, pos, bytes);

  /* Never tried again after a failure: the kernel may have dropped the pages
   * and say "done" the next time. */
  if (err == 0 && file->sync && fdatasync(file->fd) != 0) {
    err = errno;
  }
  file->flush_ns += clock_ns() - before;
  return err;
}

struct rep_medium rep_file_medium(struct rep_file *file) {
  return (struct rep_medium){.self = file,
                             .map = map,
                             .unmap = unmap,
                             .truncate = cut,
                             .read = read_at,
                             .append = append};
}
