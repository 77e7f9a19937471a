/* The file of a recording. */
#include "tap.h"
#include "test_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <hs2net/io.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int fallocate_err;

int __wrap_posix_fallocate64(int fd, off_t offset, off_t len);
int __real_posix_fallocate64(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t len) {
  return fallocate_err != 0 ? fallocate_err
                            : __real_posix_fallocate64(fd, offset, len);
}

struct place {
  char folder[64];
  char path[96];
};

static void place_init(struct place *p) {
  snprintf(p->folder, sizeof(p->folder), "/tmp/hs2net-recording-XXXXXX");
  REQUIRE(mkdtemp(p->folder) != NULL);
  snprintf(p->path, sizeof(p->path), "%s/node.rec", p->folder);
}

static void place_fini(struct place *p) {
  (void)unlink(p->path);
  (void)rmdir(p->folder);
}

static void write_numbers(struct hs2n_recording *r, unsigned from,
                          unsigned to) {
  for (unsigned i = from; i < to; i++) {
    const uint8_t bytes[3] = {(uint8_t)i, (uint8_t)(i >> 8), 0xaa};

    hs2n_recording_write(r, (struct hs2n_span){bytes, sizeof(bytes)});
  }
}

/* Checks that data is the end of what write_numbers wrote up to `to`. */
static void check_tail(const uint8_t *data, size_t len, unsigned to) {
  for (size_t i = 0; i < len; i++) {
    const size_t at = 3 * (size_t)to - len + i;
    const uint8_t want[3] = {(uint8_t)(at / 3), (uint8_t)(at / 3 >> 8), 0xaa};

    CHECK_EQ(data[i], want[at % 3]);
  }
}

static void what_fits_is_read_whole_and_what_does_not_from_its_end(void) {
  for (unsigned n = 0; n <= 400; n += 40) {
    struct hs2n_recording *r;
    struct test_mem t;
    struct stat st;
    struct place p;
    uint8_t *data;
    size_t len;

    place_init(&p);
    test_mem_init(&t, 0);
    REQUIRE(hs2n_recording_open(&r, p.path, 600) == HS2N_OK);
    write_numbers(r, 0, n);
    /* The file is right at any time, not only once it is closed. */
    CHECK_EQ(hs2n_recording_read(p.path, &t.mem, &data, &len),
             3 * n <= 600 ? HS2N_OK : HS2N_ERR_STALE);
    CHECK_EQ(len, 3 * n <= 600 ? 3 * n : 600);
    check_tail(data, len, n);
    t.mem.release(t.mem.user_data, data, len + 1);
    CHECK_EQ(t.live_bytes, 0);
    CHECK_EQ(stat(p.path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    hs2n_recording_close(r);
    place_fini(&p);
  }
}

static void a_file_that_is_no_recording_is_refused(void) {
  static const char *const contents[] = {"", "hs2n", "hs2nrec1",
                                         "hs2nrec1\1\0\0\0\0\0\0\0....."};
  struct test_mem t;
  struct place p;
  uint8_t *data;
  size_t len;

  place_init(&p);
  test_mem_init(&t, 0);
  CHECK_EQ(hs2n_recording_read(p.path, &t.mem, &data, &len), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ENOENT);
  for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
    FILE *f = fopen(p.path, "w");

    REQUIRE(f != NULL);
    fputs(contents[i], f);
    fclose(f);
    CHECK_EQ(hs2n_recording_read(p.path, &t.mem, &data, &len),
             HS2N_ERR_MALFORMED);
  }
  place_fini(&p);
}

static void what_can_not_be_made_says_why(void) {
  struct hs2n_recording *r;
  struct place p;

  place_init(&p);
  CHECK_EQ(hs2n_recording_open(&r, p.path, 0), HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_recording_open(&r, "/nowhere/at/all", 10), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ENOENT);
  fallocate_err = ENOSPC;
  CHECK_EQ(hs2n_recording_open(&r, p.path, 1000), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ENOSPC);
  fallocate_err = 0;
  place_fini(&p);
}

static void memory_that_runs_out_is_said(void) {
  struct hs2n_recording *r;
  struct test_mem t;
  struct place p;
  uint8_t *data;
  size_t len;

  place_init(&p);
  test_mem_init(&t, 1);
  REQUIRE(hs2n_recording_open(&r, p.path, 10) == HS2N_OK);
  CHECK_EQ(hs2n_recording_read(p.path, &t.mem, &data, &len),
           HS2N_ERR_NO_MEMORY);
  hs2n_recording_close(r);
  place_fini(&p);
}

int main(void) {
  RUN(what_fits_is_read_whole_and_what_does_not_from_its_end);
  RUN(a_file_that_is_no_recording_is_refused);
  RUN(what_can_not_be_made_says_why);
  RUN(memory_that_runs_out_is_said);
  return tap_done();
}
