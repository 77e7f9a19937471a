/* test_identity_file: secrets on disk. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <hs2net/io.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the next calls do; 0 errno: what they always do. */
static int fsync_errno;
static int write_errno;
static size_t write_max;
static uid_t euid_shift;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);

int __wrap_fsync(int fd) {
  if (fsync_errno != 0) {
    errno = fsync_errno;
    fsync_errno = 0;
    return -1;
  }
  return __real_fsync(fd);
}

/* A call that fails for the time being fails once. */
ssize_t __wrap_write(int fd, const void *buf, size_t len) {
  if (write_errno != 0) {
    errno = write_errno;
    write_errno = errno == EINTR ? 0 : write_errno;
    return -1;
  }
  return __real_write(fd, buf,
                      write_max != 0 && len > write_max ? write_max : len);
}

uid_t __wrap_geteuid(void) {
  return __real_geteuid() + euid_shift;
}

static char folder[] = "/tmp/hs2net-test-XXXXXX";
static char path[64];

static void in_folder(const char *name) {
  snprintf(path, sizeof(path), "%s/%s", folder, name);
}

static struct hs2n_identity *new_identity(void) {
  struct hs2n_identity *identity = NULL;

  CHECK_EQ(hs2n_identity_generate(&identity, hs2n_mem_libc(), hs2n_rand_system,
                                  NULL),
           HS2N_OK);
  return identity;
}

/* Saves a new identity under the name; its path is in `path`. */
static struct hs2n_key save_new(const char *name) {
  struct hs2n_identity *identity = new_identity();
  const struct hs2n_key key = hs2n_identity_key(identity);

  in_folder(name);
  unlink(path);
  CHECK_EQ(hs2n_identity_save(identity, path), HS2N_OK);
  hs2n_identity_free(identity);
  return key;
}

static int load_errno(void) {
  struct hs2n_identity *identity = NULL;
  int rc;

  errno = 0;
  rc = hs2n_identity_load(&identity, path);
  CHECK((rc == HS2N_OK) == (identity != NULL));
  hs2n_identity_free(identity);
  return rc;
}

static void what_is_saved_loads_and_nobody_else_can_read_it(void) {
  struct hs2n_identity *identity = NULL;
  const mode_t old = umask(0);
  const struct hs2n_key key = save_new("key");
  struct hs2n_key back;
  struct stat st;

  umask(old);
  REQUIRE(stat(path, &st) == 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  REQUIRE(hs2n_identity_load(&identity, path) == HS2N_OK);
  back = hs2n_identity_key(identity);
  CHECK_MEM(back.bytes, key.bytes, HS2N_KEY_LEN);
  hs2n_identity_free(identity);
}

static void a_key_is_never_overwritten(void) {
  struct hs2n_identity *identity = new_identity();

  save_new("key");
  CHECK_EQ(hs2n_identity_save(identity, path), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EEXIST);
  CHECK_EQ(load_errno(), HS2N_OK);
  hs2n_identity_free(identity);
}

static void a_secret_that_others_reach_is_refused(void) {
  save_new("key");
  for (mode_t mode = 1; mode <= 077; mode++) {
    REQUIRE(chmod(path, 0600 | mode) == 0);
    CHECK_EQ(load_errno(), HS2N_ERR_FILE_MODE);
  }
  REQUIRE(chmod(path, 0400) == 0);
  CHECK_EQ(load_errno(), HS2N_OK);
}

static void the_secret_of_another_user_is_refused(void) {
  save_new("key");
  euid_shift = 1;
  CHECK_EQ(load_errno(), HS2N_ERR_FILE_MODE);
  euid_shift = 0;
  CHECK_EQ(load_errno(), HS2N_OK);
}

static void a_link_to_the_secret_is_refused(void) {
  char target[64];

  save_new("key");
  memcpy(target, path, sizeof(target));
  in_folder("link");
  REQUIRE(symlink(target, path) == 0);
  CHECK_EQ(load_errno(), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ELOOP);
  unlink(path);
}

static void only_a_regular_file_is_read(void) {
  memcpy(path, folder, sizeof(folder));
  CHECK_EQ(load_errno(), HS2N_ERR_FILE_MODE);
  in_folder("fifo");
  REQUIRE(mkfifo(path, 0600) == 0);
  CHECK_EQ(load_errno(), HS2N_ERR_FILE_MODE); /* and nobody waits */
  unlink(path);
  in_folder("nothing");
  CHECK_EQ(load_errno(), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ENOENT);
}

static void write_file(const char *text, size_t len) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  CHECK(fd >= 0);
  CHECK_EQ(__real_write(fd, text, len), (ssize_t)len);
  close(fd);
}

static void a_file_of_something_else_is_refused(void) {
  static const char junk[] = "-----BEGIN NOTHING-----\n";
  static char big[65537];
  int rc;

  in_folder("junk");
  write_file(junk, sizeof(junk) - 1);
  rc = load_errno();
  CHECK(rc == HS2N_ERR_MALFORMED || rc == HS2N_ERR_TRUNCATED);
  write_file(junk, 0);
  rc = load_errno();
  CHECK(rc == HS2N_ERR_MALFORMED || rc == HS2N_ERR_TRUNCATED);
  memset(big, '\n', sizeof(big));
  write_file(big, sizeof(big));
  CHECK_EQ(load_errno(), HS2N_ERR_TOO_BIG);
  write_file(big, sizeof(big) - 1);
  rc = load_errno();
  CHECK(rc < 0 && rc != HS2N_ERR_SYSTEM);
  unlink(path);
}

static void every_prefix_of_a_secret_is_refused(void) {
  char text[HS2N_IDENTITY_PEM_MAX];
  struct hs2n_identity *identity = new_identity();
  const int len = hs2n_identity_to_pem(identity, text, sizeof(text));
  const char *end = strstr(text, "-----END");
  int rc;

  REQUIRE(len > 0 && end != NULL);
  in_folder("cut");
  for (size_t n = 0; n < (size_t)(end - text); n++) {
    write_file(text, n);
    rc = load_errno();
    CHECK(rc < 0 && rc != HS2N_ERR_SYSTEM);
  }
  write_file(text, (size_t)len);
  CHECK_EQ(load_errno(), HS2N_OK);
  unlink(path);
  hs2n_identity_free(identity);
}

static void short_and_interrupted_writes_are_completed(void) {
  write_max = 5;
  write_errno = EINTR;
  save_new("slow");
  write_max = 0;
  CHECK_EQ(load_errno(), HS2N_OK);
}

static void a_failed_save_leaves_nothing_behind(void) {
  struct hs2n_identity *identity = new_identity();

  in_folder("full");
  write_errno = ENOSPC;
  CHECK_EQ(hs2n_identity_save(identity, path), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ENOSPC);
  write_errno = 0;
  CHECK_EQ(access(path, F_OK), -1);
  fsync_errno = EIO;
  CHECK_EQ(hs2n_identity_save(identity, path), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EIO);
  CHECK_EQ(access(path, F_OK), -1);
  CHECK_EQ(hs2n_identity_save(identity, path), HS2N_OK);
  in_folder("no/such/folder");
  CHECK_EQ(hs2n_identity_save(identity, path), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, ENOENT);
  hs2n_identity_free(identity);
}

static void a_path_without_folder_is_saved_here(void) {
  struct hs2n_identity *identity = new_identity();

  REQUIRE(chdir(folder) == 0);
  CHECK_EQ(hs2n_identity_save(identity, "here"), HS2N_OK);
  CHECK_EQ(unlink("here"), 0);
  REQUIRE(chdir("/") == 0);
  hs2n_identity_free(identity);
}

int main(void) {
  if (mkdtemp(folder) == NULL) {
    return 1;
  }
  RUN(what_is_saved_loads_and_nobody_else_can_read_it);
  RUN(a_key_is_never_overwritten);
  RUN(a_secret_that_others_reach_is_refused);
  RUN(the_secret_of_another_user_is_refused);
  RUN(a_link_to_the_secret_is_refused);
  RUN(only_a_regular_file_is_read);
  RUN(a_file_of_something_else_is_refused);
  RUN(every_prefix_of_a_secret_is_refused);
  RUN(short_and_interrupted_writes_are_completed);
  RUN(a_failed_save_leaves_nothing_behind);
  RUN(a_path_without_folder_is_saved_here);
  for (size_t i = 0; i < 3; i++) {
    static const char *const names[] = {"key", "slow", "full"};

    in_folder(names[i]);
    unlink(path);
  }
  rmdir(folder);
  return tap_done();
}
