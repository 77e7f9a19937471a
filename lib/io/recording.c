/* A recording in a file: a ring in shared memory of a file, so that it is
 * whole whatever ends the process, without anything done at that moment.
 *
 *   magic (8 bytes), capacity, total (8 bytes each, in the machine's order),
 *   then the ring: byte i of the recording is at i modulo capacity */
#include <errno.h>
#include <fcntl.h>
#include <hs2net/io.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct header {
  char magic[8];
  uint64_t capacity;
  uint64_t total; /* bytes ever written */
};

struct hs2n_recording {
  struct header *header;
  uint8_t *ring;
};

static const char magic[8] = {'h', 's', '2', 'n', 'r', 'e', 'c', '1'};

static void *map_new(const char *path, size_t len) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  void *at = MAP_FAILED;
  int err;

  if (fd < 0) {
    return NULL;
  }
  /* Blocks are taken now: a full disk must not end the process later. */
  err = fchmod(fd, 0600) != 0 ? errno : posix_fallocate(fd, 0, (off_t)len);
  if (err == 0) {
    at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    err = errno;
  }
  (void)close(fd);
  errno = err;
  return at == MAP_FAILED ? NULL : at;
}

int hs2n_recording_open(struct hs2n_recording **out_recording, const char *path,
                        uint64_t bytes) {
  struct hs2n_recording *r;
  void *at;

  if (bytes == 0 || bytes > (uint64_t)1 << 40) {
    return HS2N_ERR_INVALID;
  }
  r = malloc(sizeof(*r));
  if (r == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  at = map_new(path, sizeof(struct header) + (size_t)bytes);
  if (at == NULL) {
    free(r);
    return HS2N_ERR_SYSTEM;
  }
  r->header = at;
  r->ring = (uint8_t *)at + sizeof(*r->header);
  *r->header = (struct header){.capacity = bytes};
  memcpy(r->header->magic, magic, sizeof(magic));
  *out_recording = r;
  return HS2N_OK;
}

void hs2n_recording_write(void *recording, struct hs2n_span bytes) {
  struct hs2n_recording *r = recording;
  const uint64_t capacity = r->header->capacity;

  while (bytes.len > 0) {
    const uint64_t at = r->header->total % capacity;
    const size_t n =
        bytes.len < capacity - at ? bytes.len : (size_t)(capacity - at);

    memcpy(r->ring + at, bytes.data, n);
    r->header->total += n;
    bytes.data += n;
    bytes.len -= n;
  }
}

void hs2n_recording_close(struct hs2n_recording *recording) {
  if (recording != NULL) {
    (void)munmap(recording->header, sizeof(*recording->header) +
                                        (size_t)recording->header->capacity);
    free(recording);
  }
}

static bool read_all(int fd, void *out, size_t len) {
  uint8_t *at = out;

  while (len > 0) {
    const ssize_t n = read(fd, at, len);

    if (n <= 0 && !(n < 0 && errno == EINTR)) {
      return false;
    }
    at += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
  return true;
}

/* What the file holds, oldest first. */
static int read_ring(int fd, const struct header *h, const struct hs2n_mem *mem,
                     uint8_t **out_data, size_t *out_len) {
  const bool wrapped = h->total > h->capacity;
  const size_t len = (size_t)(wrapped ? h->capacity : h->total);
  const size_t first = wrapped ? (size_t)(h->total % h->capacity) : 0;
  uint8_t *data = mem->alloc(mem->user_data, len + 1);

  if (data == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  /* The file begins with what is newest when the ring has come round. */
  if (!read_all(fd, data + (len - first), first) ||
      !read_all(fd, data, len - first)) {
    mem->release(mem->user_data, data, len + 1);
    return HS2N_ERR_TRUNCATED;
  }
  *out_data = data;
  *out_len = len;
  return wrapped ? HS2N_ERR_STALE : HS2N_OK;
}

int hs2n_recording_read(const char *path, const struct hs2n_mem *mem,
                        uint8_t **out_data, size_t *out_len) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  struct header h;
  int err;

  if (fd < 0) {
    return HS2N_ERR_SYSTEM;
  }
  if (fstat(fd, &st) != 0 || !read_all(fd, &h, sizeof(h)) ||
      memcmp(h.magic, magic, sizeof(magic)) != 0 || h.capacity == 0 ||
      (uint64_t)st.st_size != sizeof(h) + h.capacity) {
    err = HS2N_ERR_MALFORMED;
  } else {
    err = read_ring(fd, &h, mem, out_data, out_len);
  }
  (void)close(fd);
  return err;
}
