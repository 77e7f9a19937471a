#include "base/buf.h"
#include "tap.h"
#include "test_env.h"

#include <hs2net/error.h>

static const struct hs2n_span hello = {(const uint8_t *)"hello", 5};

struct released {
  size_t times;
  size_t bytes;
  struct hs2ni_account *close; /* closes it from inside, if not NULL */
};

static void on_released(void *user, size_t len) {
  struct released *r = user;

  r->times++;
  r->bytes += len;
  if (r->close != NULL) {
    hs2ni_account_close(r->close);
  }
}

static void on_wrapped_released(void *user, const uint8_t *data, size_t len) {
  CHECK(data == hello.data);
  on_released(user, len);
}

static void a_new_body_is_one_allocation_with_a_copy(void) {
  struct test_mem t;
  struct hs2n_buf *buf = NULL;

  test_mem_init(&t, 0);
  CHECK_EQ(hs2n_buf_new(&buf, &t.mem, hello), HS2N_OK);
  CHECK_EQ(t.requests, 1);
  CHECK_EQ(hs2n_buf_span(buf).len, 5);
  CHECK(hs2n_buf_span(buf).data != hello.data);
  CHECK_MEM(hs2n_buf_span(buf).data, "hello", 5);
  CHECK(hs2n_buf_ref(buf) == buf);
  hs2n_buf_unref(buf);
  CHECK(t.live_bytes > 0);
  hs2n_buf_unref(buf);
  CHECK_EQ(t.live_bytes, 0);
  hs2n_buf_unref(NULL);
}

static void an_allocated_body_is_filled_by_the_caller(void) {
  struct test_mem t;
  struct hs2n_buf *buf = NULL;
  uint8_t *data = NULL;

  test_mem_init(&t, 0);
  CHECK_EQ(hs2n_buf_alloc(&buf, &t.mem, 5, &data), HS2N_OK);
  CHECK_EQ(t.requests, 1);
  memcpy(data, "world", 5);
  CHECK_MEM(hs2n_buf_span(buf).data, "world", 5);
  hs2n_buf_unref(buf);
  CHECK_EQ(hs2n_buf_alloc(&buf, &t.mem, 0, &data), HS2N_OK);
  CHECK_EQ(hs2n_buf_span(buf).len, 0);
  hs2n_buf_unref(buf);
  CHECK_EQ(t.live_bytes, 0);
}

static void a_wrapped_body_is_never_copied_and_released_once(void) {
  struct test_mem t;
  struct hs2n_buf *buf = NULL;
  struct released r = {0};

  test_mem_init(&t, 0);
  CHECK_EQ(hs2n_buf_wrap(&buf, &t.mem, hello, on_wrapped_released, &r),
           HS2N_OK);
  CHECK(hs2n_buf_span(buf).data == hello.data);
  hs2n_buf_unref(hs2n_buf_ref(buf));
  CHECK_EQ(r.times, 0);
  hs2n_buf_unref(buf);
  CHECK_EQ(r.times, 1);
  CHECK_EQ(r.bytes, 5);
  CHECK_EQ(hs2n_buf_wrap(&buf, &t.mem, hello, NULL, NULL), HS2N_OK);
  hs2n_buf_unref(buf);
  CHECK_EQ(t.live_bytes, 0);
}

static void no_body_is_above_the_ceiling(void) {
  const struct hs2n_span huge = {hello.data, (size_t)HS2N_BODY_MAX + 1};
  struct test_mem t;
  struct hs2n_buf *buf = NULL;
  uint8_t *data = NULL;

  test_mem_init(&t, 0);
  CHECK_EQ(hs2n_buf_new(&buf, &t.mem, huge), HS2N_ERR_TOO_BIG);
  CHECK_EQ(hs2n_buf_alloc(&buf, &t.mem, SIZE_MAX, &data), HS2N_ERR_TOO_BIG);
  CHECK_EQ(hs2n_buf_wrap(&buf, &t.mem, huge, NULL, NULL), HS2N_ERR_TOO_BIG);
  CHECK(buf == NULL);
  CHECK_EQ(t.requests, 0);
}

static void a_received_body_counts_until_its_last_reference_goes(void) {
  struct test_env t;
  struct hs2ni_pool pool;
  struct hs2ni_account *account = NULL;
  struct hs2n_buf *a = NULL;
  struct hs2n_buf *b = NULL;
  struct released r = {0};

  test_env_init(&t, 0, 1);
  hs2ni_pool_init(&pool, &t.env, 1u << 20);
  CHECK_EQ(hs2ni_account_new(&account, &t.env, on_released, &r), HS2N_OK);
  CHECK_EQ(hs2ni_buf_receive(&a, &pool, account, 1000), HS2N_OK);
  CHECK_EQ(hs2ni_buf_receive(&b, &pool, account, 10), HS2N_OK);
  memset(hs2ni_buf_data(a), 1, 1000);
  CHECK_EQ(account->held_bytes, 1010);
  hs2n_buf_ref(a);
  hs2n_buf_unref(a);
  CHECK_EQ(r.times, 0);
  hs2n_buf_unref(a);
  CHECK_EQ(r.times, 1);
  CHECK_EQ(r.bytes, 1000);
  CHECK_EQ(account->held_bytes, 10);
  hs2n_buf_unref(b);
  CHECK_EQ(account->held_bytes, 0);
  hs2ni_account_close(account);
  hs2ni_pool_fini(&pool);
  CHECK_EQ(t.mem.live_bytes, 0);
}

/* The application may keep bodies longer than their connection lives. */
static void held_bodies_outlive_the_owner_of_their_account(void) {
  struct test_env t;
  struct hs2ni_pool pool;
  struct hs2ni_account *account = NULL;
  struct hs2n_buf *buf = NULL;
  struct released r = {0};

  test_env_init(&t, 0, 1);
  hs2ni_pool_init(&pool, &t.env, 0);
  CHECK_EQ(hs2ni_account_new(&account, &t.env, on_released, &r), HS2N_OK);
  CHECK_EQ(hs2ni_buf_receive(&buf, &pool, account, 100), HS2N_OK);
  hs2ni_account_close(account);
  CHECK_EQ(hs2n_buf_span(buf).len, 100);
  hs2n_buf_unref(buf);
  CHECK_EQ(r.times, 0);
  CHECK_EQ(t.mem.live_bytes, 0);
  hs2ni_pool_fini(&pool);
  hs2ni_account_close(NULL);
}

static void the_owner_may_leave_when_it_is_told(void) {
  struct test_env t;
  struct hs2ni_pool pool;
  struct hs2n_buf *buf = NULL;
  struct released r = {0};

  test_env_init(&t, 0, 1);
  hs2ni_pool_init(&pool, &t.env, 0);
  CHECK_EQ(hs2ni_account_new(&r.close, &t.env, on_released, &r), HS2N_OK);
  CHECK_EQ(hs2ni_buf_receive(&buf, &pool, r.close, 100), HS2N_OK);
  hs2n_buf_unref(buf);
  CHECK_EQ(r.times, 1);
  CHECK_EQ(t.mem.live_bytes, 0);
  hs2ni_pool_fini(&pool);
}

static void survives_every_allocation_failure(void) {
  struct released r = {0};

  for (uint64_t fail_at = 1; fail_at <= 5; fail_at++) {
    struct test_env t;
    struct hs2ni_pool pool;
    struct hs2ni_account *account = NULL;
    struct hs2n_buf *bufs[3] = {NULL};

    test_env_init(&t, fail_at, 1);
    hs2ni_pool_init(&pool, &t.env, 1u << 20);
    CHECK_EQ(hs2n_buf_new(&bufs[0], &t.mem.mem, hello),
             fail_at == 1 ? HS2N_ERR_NO_MEMORY : HS2N_OK);
    CHECK_EQ(
        hs2n_buf_wrap(&bufs[1], &t.mem.mem, hello, on_wrapped_released, &r),
        fail_at == 2 ? HS2N_ERR_NO_MEMORY : HS2N_OK);
    if (hs2ni_account_new(&account, &t.env, on_released, &r) == HS2N_OK) {
      CHECK_EQ(hs2ni_buf_receive(&bufs[2], &pool, account, 100),
               fail_at == 4 ? HS2N_ERR_NO_MEMORY : HS2N_OK);
      CHECK_EQ(account->held_bytes, fail_at == 4 ? 0 : 100);
    }
    for (int i = 0; i < 3; i++) {
      CHECK_EQ(bufs[i] == NULL,
               (int)fail_at == (i < 2 ? i + 1 : 4) || (i == 2 && fail_at == 3));
      hs2n_buf_unref(bufs[i]);
    }
    hs2ni_account_close(account);
    hs2ni_pool_fini(&pool);
    CHECK_EQ(t.mem.live_bytes, 0);
  }
  CHECK_EQ(r.bytes, 4 * 5 + 3 * 100); /* a wrap that failed releases nothing */
}

static void receiving_in_a_steady_state_allocates_nothing(void) {
  struct test_env t;
  struct hs2ni_pool pool;
  struct hs2ni_account *account = NULL;
  struct hs2n_buf *buf = NULL;
  uint64_t before;

  test_env_init(&t, 0, 1);
  hs2ni_pool_init(&pool, &t.env, 1u << 20);
  CHECK_EQ(hs2ni_account_new(&account, &t.env, NULL, NULL), HS2N_OK);
  CHECK_EQ(hs2ni_buf_receive(&buf, &pool, account, 150), HS2N_OK);
  hs2n_buf_unref(buf);
  before = t.mem.requests;
  for (int i = 0; i < 1000; i++) {
    CHECK_EQ(hs2ni_buf_receive(&buf, &pool, account, 150), HS2N_OK);
    hs2n_buf_unref(buf);
  }
  CHECK_EQ(t.mem.requests, before);
  hs2ni_account_close(account);
  hs2ni_pool_fini(&pool);
}

int main(void) {
  RUN(a_new_body_is_one_allocation_with_a_copy);
  RUN(an_allocated_body_is_filled_by_the_caller);
  RUN(a_wrapped_body_is_never_copied_and_released_once);
  RUN(no_body_is_above_the_ceiling);
  RUN(a_received_body_counts_until_its_last_reference_goes);
  RUN(held_bodies_outlive_the_owner_of_their_account);
  RUN(the_owner_may_leave_when_it_is_told);
  RUN(survives_every_allocation_failure);
  RUN(receiving_in_a_steady_state_allocates_nothing);
  return tap_done();
}
