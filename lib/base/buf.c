#include "base/buf.h"

#include <assert.h>
#include <string.h>

enum kind {
  OWN,      /* bytes behind the header, one block of mem */
  WRAPPED,  /* the user's memory */
  RECEIVED, /* bytes behind the header, one block of a pool */
};

struct hs2n_buf {
  const uint8_t *data;
  size_t len;
  uint32_t refs;
  enum kind kind;
  union {
    struct {
      const struct hs2n_mem *mem;
      size_t room; /* bytes behind the header, >= len */
    } own;
    struct {
      const struct hs2n_mem *mem;
      hs2n_release_fn release;
      void *user_data;
    } wrapped;
    struct {
      struct hs2ni_pool *pool;
      struct hs2ni_account *account;
      uint64_t number; /* in a recording; 0: none */
      uint32_t user_refs;
      bool kept; /* beyond the upcall that brought it */
    } received;
  } of;
};

int hs2ni_account_new(struct hs2ni_account **out, struct hs2ni_env *env,
                      void (*released)(void *, size_t), void *user) {
  struct hs2ni_account *account = hs2ni_alloc(env, sizeof(*account));

  if (account == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *account = (struct hs2ni_account){
      .env = env,
      .refs = 1,
      .released = released,
      .user = user,
  };
  *out = account;
  return HS2N_OK;
}

static void account_unref(struct hs2ni_account *account) {
  assert(account->refs > 0);
  account->refs--;
  if (account->refs == 0) {
    assert(account->held_bytes == 0);
    hs2ni_free(account->env, account, sizeof(*account));
  }
}

void hs2ni_account_close(struct hs2ni_account *account) {
  if (account != NULL) {
    account->released = NULL;
    account_unref(account);
  }
}

static int own_new(struct hs2n_buf **out, const struct hs2n_mem *mem,
                   size_t len) {
  struct hs2n_buf *buf;

  if (len > HS2N_BODY_MAX) {
    return HS2N_ERR_TOO_BIG;
  }
  buf = mem->alloc(mem->user_data, sizeof(*buf) + len);
  if (buf == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *buf = (struct hs2n_buf){
      .data = (const uint8_t *)(buf + 1),
      .len = len,
      .refs = 1,
      .kind = OWN,
      .of.own = {.mem = mem, .room = len},
  };
  *out = buf;
  return HS2N_OK;
}

int hs2n_buf_new(struct hs2n_buf **out_buf, const struct hs2n_mem *mem,
                 struct hs2n_span bytes) {
  const int err = own_new(out_buf, mem, bytes.len);

  if (err == HS2N_OK && bytes.len > 0) {
    memcpy(hs2ni_buf_data(*out_buf), bytes.data, bytes.len);
  }
  return err;
}

int hs2n_buf_alloc(struct hs2n_buf **out_buf, const struct hs2n_mem *mem,
                   size_t len, uint8_t **out_data) {
  const int err = own_new(out_buf, mem, len);

  if (err == HS2N_OK) {
    *out_data = hs2ni_buf_data(*out_buf);
  }
  return err;
}

int hs2n_buf_wrap(struct hs2n_buf **out_buf, const struct hs2n_mem *mem,
                  struct hs2n_span bytes, hs2n_release_fn release,
                  void *user_data) {
  struct hs2n_buf *buf;

  if (bytes.len > HS2N_BODY_MAX) {
    return HS2N_ERR_TOO_BIG;
  }
  buf = mem->alloc(mem->user_data, sizeof(*buf));
  if (buf == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *buf = (struct hs2n_buf){
      .data = bytes.data,
      .len = bytes.len,
      .refs = 1,
      .kind = WRAPPED,
      .of.wrapped = {.mem = mem, .release = release, .user_data = user_data},
  };
  *out_buf = buf;
  return HS2N_OK;
}

int hs2ni_buf_receive(struct hs2n_buf **out, struct hs2ni_pool *pool,
                      struct hs2ni_account *account, size_t len) {
  struct hs2n_buf *buf;

  assert(len <= HS2N_BODY_MAX);
  assert(account->refs > 0);
  assert(account->refs < UINT32_MAX);
  buf = hs2ni_pool_take(pool, sizeof(*buf) + len);
  if (buf == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  account->refs++;
  account->held_bytes += len;
  *buf = (struct hs2n_buf){
      .data = (const uint8_t *)(buf + 1),
      .len = len,
      .refs = 1,
      .kind = RECEIVED,
      .of.received = {.pool = pool, .account = account},
  };
  *out = buf;
  return HS2N_OK;
}

size_t hs2ni_buf_overhead(void) {
  return sizeof(struct hs2n_buf);
}

void hs2ni_buf_trim(struct hs2n_buf *buf, size_t len) {
  assert(buf->kind == OWN);
  assert(buf->refs == 1);
  assert(len <= buf->len);
  buf->len = len;
}

uint8_t *hs2ni_buf_data(struct hs2n_buf *buf) {
  assert(buf->kind != WRAPPED);
  assert(buf->refs == 1);
  return (uint8_t *)(buf + 1);
}

struct hs2n_buf *hs2ni_buf_ref(struct hs2n_buf *buf) {
  assert(buf->refs > 0);
  assert(buf->refs < UINT32_MAX);
  buf->refs++;
  return buf;
}

struct hs2n_buf *hs2n_buf_ref(struct hs2n_buf *buf) {
  if (buf->kind == RECEIVED) {
    buf->of.received.user_refs++;
  }
  return hs2ni_buf_ref(buf);
}

static void own_free(struct hs2n_buf *buf) {
  const struct hs2n_mem *mem = buf->of.own.mem;

  mem->release(mem->user_data, buf, sizeof(*buf) + buf->of.own.room);
}

static void wrapped_free(struct hs2n_buf *buf) {
  const struct hs2n_buf was = *buf;
  const struct hs2n_mem *mem = was.of.wrapped.mem;

  mem->release(mem->user_data, buf, sizeof(*buf));
  if (was.of.wrapped.release != NULL) {
    was.of.wrapped.release(was.of.wrapped.user_data, was.data, was.len);
  }
}

static void received_free(struct hs2n_buf *buf) {
  struct hs2ni_account *account = buf->of.received.account;
  const size_t len = buf->len;

  hs2ni_pool_give(buf->of.received.pool, buf, sizeof(*buf) + len);
  assert(account->held_bytes >= len);
  account->held_bytes -= len;
  if (account->released != NULL) {
    /* May close the account; the buf's own reference keeps it till below. */
    account->released(account->user, len);
  }
  account_unref(account);
}

void hs2ni_buf_unref(struct hs2n_buf *buf) {
  if (buf == NULL) {
    return;
  }
  assert(buf->refs > 0);
  buf->refs--;
  if (buf->refs > 0) {
    return;
  }
  switch (buf->kind) {
  case OWN:
    own_free(buf);
    return;
  case WRAPPED:
    wrapped_free(buf);
    return;
  case RECEIVED:
    received_free(buf);
    return;
  }
}

void hs2n_buf_unref(struct hs2n_buf *buf) {
  if (buf != NULL && buf->kind == RECEIVED && buf->of.received.user_refs > 0) {
    buf->of.received.user_refs--;
    if (buf->of.received.user_refs == 0 && buf->of.received.kept) {
      buf->of.received.kept = false;
      hs2ni_record_pair(&buf->of.received.account->env->recorder,
                        HS2N_RECORD_RELEASE, buf->of.received.number, 0);
    }
  }
  hs2ni_buf_unref(buf);
}

void hs2ni_buf_lend(struct hs2n_buf *buf, uint64_t number) {
  if (buf->kind == RECEIVED) {
    buf->of.received.number = number;
  }
}

uint64_t hs2ni_buf_lent(struct hs2n_buf *buf) {
  if (buf->kind != RECEIVED || buf->of.received.user_refs == 0) {
    return 0;
  }
  buf->of.received.kept = true;
  return buf->of.received.number;
}

uint64_t hs2ni_buf_number(const struct hs2n_buf *buf) {
  return buf->kind == RECEIVED ? buf->of.received.number : 0;
}

struct hs2n_span hs2n_buf_span(const struct hs2n_buf *buf) {
  assert(buf->refs > 0);
  return (struct hs2n_span){buf->data, buf->len};
}
