/* The log: cut at every byte, damaged, without room, and of another chain. */
#include "file.h"
#include "samples.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tap.h>
#include <unistd.h>

#define BLOCKS 5
#define PATH_LEN 64
#define TEXT_LEN 256

static uint32_t me;
static char path[PATH_LEN];
static char text[TEXT_LEN];

static struct rep_store_config config_of(const char *chain) {
  struct rep_store_config config = {.committee = sample_committee(4),
                                    .crypto = fake_crypto(&me)};

  (void)snprintf(config.committee.chain_id, sizeof(config.committee.chain_id),
                 "%s", chain);
  return config;
}

static void new_path(void) {
  int fd;

  (void)snprintf(path, sizeof(path), "/tmp/hs2net-test-log-XXXXXX");
  fd = mkstemp(path);
  if (fd < 0) {
    abort();
  }
  close(fd);
}

/* A store in the file at path; the reason in text when it can't be. */
struct stored {
  struct rep_file file;
  struct rep_store *store;
};

static bool stored_open(struct stored *s,
                        const struct rep_store_config *config) {
  struct rep_store_config with_medium = *config;
  const struct rep_medium medium = rep_file_medium(&s->file);
  const char *wrong;

  s->store = NULL;
  CHECK_EQ(rep_file_open(&s->file, path, true), 0);
  with_medium.medium = &medium;
  wrong = rep_store_open(&s->store, &with_medium);
  (void)snprintf(text, sizeof(text), "%s", wrong == NULL ? "" : wrong);
  if (wrong != NULL) {
    rep_file_close(&s->file);
  }
  return wrong == NULL;
}

static void stored_close(struct stored *s) {
  rep_store_close(s->store);
  rep_file_close(&s->file);
}

static off_t file_size(void) {
  struct stat status;

  return stat(path, &status) == 0 ? status.st_size : -1;
}

/* The block of a height on a straight chain from genesis. */
static struct rep_block *block_at(uint64_t height,
                                  const struct rep_hash *parent) {
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_cert *const justify =
      sample_cert(height - 1, parent, height == 1 ? 0 : 3);
  const struct rep_block_head head = {
      .view = height, .height = height, .justify = justify};
  struct rep_bytes *const bytes = rep_bytes_new(rep_block_overhead(justify));
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  struct rep_block *block;

  rep_block_write_head(&w, &head);
  block = rep_block_decode(rep_bytes_span(bytes), bytes, &crypto);
  rep_cert_unref(justify);
  rep_bytes_unref(bytes);
  return block;
}

/* Writes blocks 1..BLOCKS, each with a state in which the one before is
 * committed; remembers where each state ended. */
static off_t ends[BLOCKS + 1];

static void write_log(void) {
  const struct rep_store_config config = config_of("sample");
  struct rep_root committed = {.height = 0};
  struct stored s;
  uint64_t seq;

  rep_genesis_hash(&config.committee, &config.crypto, &committed.hash);
  REQUIRE(stored_open(&s, &config));
  ends[0] = file_size();
  for (uint64_t h = 1; h <= BLOCKS; h++) {
    struct rep_block *const block = block_at(h, &committed.hash);
    const struct rep_state state = {
        .last_voted = h, .lock = block->justify, .committed = committed};
    const uint64_t pos = rep_store_append_block(s.store, block);

    rep_store_append_state(s.store, h, &state);
    CHECK(rep_store_dirty(s.store));
    CHECK_EQ(rep_store_flush(s.store, &seq), 0);
    CHECK_EQ(seq, h);
    CHECK(!rep_store_dirty(s.store));
    rep_store_commit(s.store, block, pos);
    committed = (struct rep_root){block->hash, h, h};
    rep_block_unref(block);
    ends[h] = file_size();
  }
  stored_close(&s);
}

/* What a replica that starts from the log would know. */
static bool reopen(struct rep_core_info *out) {
  static const struct rep_env env = {.self = NULL};
  const struct rep_store_config config = config_of("sample");
  struct rep_config core_config;
  struct rep_core *core;
  struct stored s;
  bool ok;

  if (!stored_open(&s, &config)) {
    return false;
  }
  rep_config_default(&core_config);
  core_config.committee = config.committee;
  core_config.mempool.window_txs = 16;
  core_config.mempool.txs_max = 16;
  core = rep_core_new(&core_config, &env, &config.crypto);
  ok = core != NULL && rep_store_restore(s.store, core, 16);
  if (ok) {
    struct rep_bytes *last;

    rep_core_info(core, out);
    last = rep_store_load(s.store, out->committed.height);
    CHECK((last != NULL) == (out->committed.height > 0));
    CHECK(rep_store_load(s.store, out->committed.height + 1) == NULL);
    rep_bytes_unref(last);
  }
  rep_core_free(core);
  stored_close(&s);
  return ok;
}

static void starts_empty(void) {
  struct rep_core_info info;

  new_path();
  CHECK(reopen(&info));
  CHECK_EQ(info.committed.height, 0);
  CHECK_EQ(info.view, 1);
  unlink(path);
}

static void comes_back_as_it_was(void) {
  struct rep_core_info info;

  new_path();
  write_log();
  CHECK(reopen(&info));
  CHECK_EQ(info.committed.height, BLOCKS - 1);
  CHECK_EQ(info.last_voted, BLOCKS);
  CHECK_EQ(info.lock_view, BLOCKS - 1);
  CHECK_EQ(info.tree_blocks, 1); /* the last, not committed */
  unlink(path);
}

static void a_torn_end_is_cut_off_anywhere(void) {
  struct rep_core_info info;

  new_path();
  write_log();
  for (off_t size = ends[BLOCKS]; size-- > 0;) {
    uint64_t whole = 0;

    while (whole < BLOCKS && ends[whole + 1] <= size) {
      whole++;
    }
    CHECK_EQ(truncate(path, size), 0);
    CHECK(reopen(&info));
    CHECK_EQ(info.last_voted, size < ends[0] ? 0 : whole);
    CHECK(file_size() >= ends[0]); /* a new one begins properly */
    CHECK(size < ends[0] || file_size() <= size);
  }
  unlink(path);
}

static void flip(off_t at) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  uint8_t byte = 0;

  CHECK_EQ(pread(fd, &byte, 1, at), 1);
  byte ^= 0x10;
  CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
  close(fd);
}

/* Damage in the middle is no torn end: votes may be missing, so the replica
 * must not start. */
static void damage_in_the_middle_is_refused(void) {
  struct rep_core_info info;

  new_path();
  write_log();
  for (off_t at = ends[1] + 4; at < ends[1] + 200; at += 13) {
    flip(at); /* CRC, kind and content of block 2 */
    CHECK(!reopen(&info));
    CHECK(strstr(text, "damaged") != NULL);
    flip(at);
  }
  CHECK(reopen(&info));
  unlink(path);
}

static void damage_at_the_end_is_a_torn_end(void) {
  struct rep_core_info info;

  new_path();
  write_log();
  flip(ends[BLOCKS] - 1);
  CHECK(reopen(&info));
  CHECK_EQ(info.last_voted, BLOCKS - 1);
  unlink(path);
}

static void another_chain_is_refused(void) {
  const struct rep_store_config other = config_of("other");
  struct stored s;

  new_path();
  write_log();
  CHECK(!stored_open(&s, &other));
  CHECK(strstr(text, "another chain") != NULL);
  unlink(path);
}

static void a_missing_folder_is_an_error(void) {
  struct rep_file file;

  CHECK_EQ(rep_file_open(&file, "/nonexistent/log", true), ENOENT);
  rep_file_close(&file);
}

/* The file may not grow beyond a limit, as on a full disk: nothing is called
 * stored any more, and what was stored is there afterwards. */
static void a_full_disk_stores_nothing_more(void) {
  const struct rep_store_config config = config_of("sample");
  const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  struct rlimit tight = {0, RLIM_INFINITY};
  struct rep_core_info info;
  struct stored s;
  struct rep_block *block;
  struct rep_hash genesis;
  uint64_t seq = 0;

  new_path();
  write_log();
  (void)signal(SIGXFSZ, SIG_IGN);
  tight.rlim_cur = (rlim_t)ends[BLOCKS] + 100;
  REQUIRE(stored_open(&s, &config));
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  rep_genesis_hash(&config.committee, &config.crypto, &genesis);
  block = block_at(1, &genesis);
  (void)rep_store_append_block(s.store, block);
  CHECK_EQ(rep_store_flush(s.store, &seq), EFBIG);
  CHECK_EQ(rep_store_flush(s.store, &seq), EFBIG); /* and ever after */
  CHECK_EQ(seq, 0);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  CHECK_EQ(rep_store_flush(s.store, &seq), EFBIG);
  rep_block_unref(block);
  stored_close(&s);
  CHECK(reopen(&info));
  CHECK_EQ(info.last_voted, BLOCKS);
  unlink(path);
}

/* A time-out leaves when its state is stored: whoever asks for a flush only
 * when there are bytes to write would keep it for ever. */
static void what_is_kept_nowhere_waits_for_a_flush_too(void) {
  const struct rep_store_config config = config_of("sample");
  struct rep_root committed = {.height = 0};
  struct rep_store *store;
  struct rep_block *block;
  struct rep_state state;
  uint64_t seq = 0;

  rep_genesis_hash(&config.committee, &config.crypto, &committed.hash);
  block = block_at(1, &committed.hash);
  state = (struct rep_state){
      .last_voted = 1, .lock = block->justify, .committed = committed};
  REQUIRE(rep_store_open(&store, &config) == NULL);
  CHECK(!rep_store_dirty(store));
  rep_store_append_state(store, 1, &state);
  CHECK(rep_store_dirty(store));
  CHECK_EQ(rep_store_flush(store, &seq), 0);
  CHECK_EQ(seq, 1);
  CHECK(!rep_store_dirty(store));
  rep_store_close(store);
  rep_block_unref(block);
}

/* A block of a height with a transaction of so many bytes. */
static struct rep_block *block_with(uint64_t height, size_t len) {
  struct rep_crypto crypto = fake_crypto(&me);
  const struct rep_hash parent = sample_hash(3);
  struct rep_cert *const justify = sample_cert(height - 1, &parent, 0);
  const struct rep_block_head head = {.view = height,
                                      .height = height,
                                      .justify = justify,
                                      .txs_count = 1,
                                      .txs_len = rep_tx_room(len)};
  struct rep_bytes *const bytes =
      rep_bytes_new(rep_block_overhead(justify) + rep_tx_room(len));
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  struct rep_block *block;

  rep_block_write_head(&w, &head);
  rep_write_be(&w, len, 4);
  memset(rep_write_room(&w, len), 'x', len);
  block = rep_block_decode(rep_bytes_span(bytes), bytes, &crypto);
  rep_cert_unref(justify);
  rep_bytes_unref(bytes);
  return block;
}

static void commit_many(struct rep_store *store, uint64_t from, uint64_t to,
                        size_t len) {
  for (uint64_t height = from; height <= to; height++) {
    struct rep_block *const block = block_with(height, len);

    rep_store_commit(store, block, REP_LOG_NOWHERE);
    rep_block_unref(block);
  }
}

static bool has(struct rep_store *store, uint64_t height) {
  struct rep_bytes *const bytes = rep_store_load(store, height);

  rep_bytes_unref(bytes);
  return bytes != NULL;
}

/* Who was away for a second may be a thousand blocks behind. */
static void without_a_medium_the_newest_blocks_are_kept(void) {
  const struct rep_store_config config = config_of("sample");
  struct rep_store *store;

  REQUIRE(rep_store_open(&store, &config) == NULL);
  CHECK(!has(store, 1));
  commit_many(store, 1, 16384, 1);
  CHECK(has(store, 1));
  commit_many(store, 16385, 16390, 1);
  CHECK(!has(store, 6));
  CHECK(has(store, 7));
  CHECK(!has(store, 16391));
  commit_many(store, 16391, 16500, 1 << 20); /* bytes are limited too */
  CHECK(!has(store, 16400));
  CHECK(!has(store, 16500 - 64));
  CHECK(has(store, 16500 - 62));
  CHECK(has(store, 16500));
  rep_store_close(store);
}

static void checksum_is_castagnoli(void) {
  static const uint8_t digits[] = "123456789";
  static struct rep_crc32c crc;

  rep_crc32c_init(&crc);
  CHECK_EQ(rep_crc32c(&crc, 0, (struct hs2n_span){digits, 9}), 0xe3069283);
  CHECK_EQ(rep_crc32c(&crc, rep_crc32c(&crc, 0, (struct hs2n_span){digits, 4}),
                      (struct hs2n_span){digits + 4, 5}),
           0xe3069283);
}

int main(void) {
  RUN(checksum_is_castagnoli);
  RUN(starts_empty);
  RUN(comes_back_as_it_was);
  RUN(a_torn_end_is_cut_off_anywhere);
  RUN(damage_in_the_middle_is_refused);
  RUN(damage_at_the_end_is_a_torn_end);
  RUN(another_chain_is_refused);
  RUN(a_missing_folder_is_an_error);
  RUN(a_full_disk_stores_nothing_more);
  RUN(what_is_kept_nowhere_waits_for_a_flush_too);
  RUN(without_a_medium_the_newest_blocks_are_kept);
  return tap_done();
}
