#include "replay.h"

#include <hs2net/hs2net.h>
#include <hs2net/io.h>
#include <hs2net/replay.h>
#include <stdio.h>

static int refuse(const char *path, int err) {
  (void)fprintf(stderr, "hs2net-sim: %s: %s\n", path, hs2n_err_text(err));
  return 1;
}

static void print_log(void *user_data, enum hs2n_log_level level,
                      const char *event, const char *text) {
  (void)user_data;
  (void)printf("  log %d %s %s\n", (int)level, event, text);
}

static void print_counters(const struct hs2n_node *node) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(node, &stats);
#define X(field, text)                                                   \
  if (stats.field != 0) {                                                \
    (void)printf("%12llu  %s\n", (unsigned long long)stats.field, text); \
  }
  HS2N_STATS_LIST(X)
#undef X
}

/* Whether it was the same to the end. */
static bool run(struct hs2n_replay *replay, size_t len) {
  struct hs2n_replay_at at = {.struct_size = sizeof(at)};
  int err = hs2n_replay_step(replay);

  while (err == 1) {
    err = hs2n_replay_step(replay);
  }
  hs2n_replay_where(replay, &at);
  (void)printf("%llu entries, %llu of %llu bytes; its clock then: %.3f s\n",
               (unsigned long long)at.entries, (unsigned long long)at.offset,
               (unsigned long long)len, (double)at.now / 1e9);
  if (err == HS2N_OK) {
    (void)printf("the node did the same\n");
  } else {
    (void)printf("%s at byte %llu, entry %llu: %s\n",
                 err == HS2N_ERR_STATE ? "differs" : hs2n_err_text(err),
                 (unsigned long long)at.offset, (unsigned long long)at.entries,
                 at.text == NULL ? "" : at.text);
  }
  print_counters(hs2n_replay_node(replay));
  return err == HS2N_OK;
}

static int replay_bytes(const char *path, struct hs2n_span bytes,
                        const struct hs2n_identity *identity, bool log) {
  struct hs2n_replay *replay;
  const int err = hs2n_replay_new(&replay, bytes, hs2n_mem_libc(), identity,
                                  log ? print_log : NULL, NULL);
  bool same;

  if (err != HS2N_OK) {
    return refuse(path, err);
  }
  same = run(replay, bytes.len);
  hs2n_replay_free(replay);
  return same ? 0 : 1;
}

int replay_file(const char *recording, const char *identity, bool log) {
  const struct hs2n_mem *const mem = hs2n_mem_libc();
  struct hs2n_identity *key;
  uint8_t *data = NULL;
  size_t len = 0;
  int code;
  int err = hs2n_identity_load(&key, identity);

  if (err != HS2N_OK) {
    return refuse(identity, err);
  }
  err = hs2n_recording_read(recording, mem, &data, &len);
  code = err == HS2N_OK
             ? replay_bytes(recording, (struct hs2n_span){data, len}, key, log)
             : refuse(recording, err);
  if (data != NULL) {
    mem->release(mem->user_data, data, len + 1);
  }
  hs2n_identity_free(key);
  return code;
}
