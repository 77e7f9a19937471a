/* identity_file: a validator's secret on disk.
 *
 * The checks are made on the open descriptor, not on the path, so nobody can
 * swap the file between check and use. */
#include <errno.h>
#include <fcntl.h>
#include <hs2net/io.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far above any PEM text of one key, and small enough to read in one go. */
#define FILE_LEN_MAX (64u << 10)

/* Whatever fails later, errno is that of the first failure. */
static int close_after(int fd, int rc) {
  const int err = errno;

  close(fd);
  errno = err;
  return rc;
}

/* O_NONBLOCK: the open of a FIFO must not wait for a writer. */
static int open_secret(const char *path, size_t *out_len) {
  const int fd =
      open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat st;

  if (fd < 0) {
    return HS2N_ERR_SYSTEM;
  }
  if (fstat(fd, &st) != 0) {
    return close_after(fd, HS2N_ERR_SYSTEM);
  }
  if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
      (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return close_after(fd, HS2N_ERR_FILE_MODE);
  }
  if (st.st_size > (off_t)FILE_LEN_MAX) {
    return close_after(fd, HS2N_ERR_TOO_BIG);
  }
  *out_len = (size_t)st.st_size;
  return fd;
}

/* Reads until len bytes or the end.  Returns the count, or -1. */
static ssize_t read_all(int fd, uint8_t *out, size_t len) {
  size_t got = 0;

  while (got < len) {
    const ssize_t n = read(fd, out + got, len - got);

    if (n == 0) {
      break;
    }
    if (n < 0 && errno != EINTR) {
      return -1;
    }
    got += n > 0 ? (size_t)n : 0;
  }
  return (ssize_t)got;
}

static int write_all(int fd, const char *text, size_t len) {
  while (len > 0) {
    const ssize_t n = write(fd, text, len);

    if (n < 0 && errno != EINTR) {
      return -1;
    }
    if (n > 0) {
      text += n;
      len -= (size_t)n;
    }
  }
  return 0;
}

int hs2n_identity_load(struct hs2n_identity **out_identity, const char *path) {
  size_t len = 0;
  int rc = HS2N_ERR_SYSTEM;
  const int fd = open_secret(path, &len);
  uint8_t *pem;
  ssize_t got;

  if (fd < 0) {
    return fd;
  }
  pem = malloc(len + 1); /* an empty file is the parser's business */
  if (pem == NULL) {
    return close_after(fd, HS2N_ERR_NO_MEMORY);
  }
  got = read_all(fd, pem, len);
  if (got >= 0) {
    rc = hs2n_identity_from_pem(
        out_identity, hs2n_mem_libc(),
        (struct hs2n_span){.data = pem, .len = (size_t)got});
  }
  explicit_bzero(pem, len + 1);
  free(pem);
  return close_after(fd, rc);
}

/* Without this the name may be lost in a crash although the file is safe. */
static int sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL   ? strdup(".")
                 : slash == path ? strdup("/")
                                 : strndup(path, (size_t)(slash - path));
  int fd;
  int rc;

  if (folder == NULL) {
    return -1;
  }
  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (fd < 0) {
    return -1;
  }
  rc = fsync(fd);
  /* Some file systems have no sync of folders. */
  if (rc != 0 && errno == EINVAL) {
    rc = 0;
  }
  return close_after(fd, rc);
}

int hs2n_identity_save(const struct hs2n_identity *identity, const char *path) {
  char pem[HS2N_IDENTITY_PEM_MAX];
  const int len = hs2n_identity_to_pem(identity, pem, sizeof(pem));
  int rc = HS2N_OK;
  int fd;

  if (len < 0) {
    return len;
  }
  fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) {
    explicit_bzero(pem, sizeof(pem));
    return HS2N_ERR_SYSTEM;
  }
  if (write_all(fd, pem, (size_t)len) != 0 || fsync(fd) != 0) {
    rc = HS2N_ERR_SYSTEM;
  }
  explicit_bzero(pem, sizeof(pem));
  close_after(fd, 0);
  if (rc == HS2N_OK && sync_folder_of(path) != 0) {
    rc = HS2N_ERR_SYSTEM;
  }
  if (rc != HS2N_OK) {
    /* Half a key must not stand in the way of the next attempt. */
    const int err = errno;

    unlink(path);
    errno = err;
  }
  return rc;
}
