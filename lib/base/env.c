#include "base/env.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define LOG_TEXT_MAX 512

void *hs2ni_alloc(struct hs2ni_env *env, size_t len) {
  void *ptr;

  assert(len > 0);
  ptr = env->mem->alloc(env->mem->user_data, len);
  if (ptr == NULL) {
    env->stats.allocation_failures++;
  }
  return ptr;
}

void hs2ni_free(struct hs2ni_env *env, void *ptr, size_t len) {
  env->mem->release(env->mem->user_data, ptr, len);
}

void hs2ni_log(struct hs2ni_env *env, enum hs2n_log_level level,
               const char *event, const char *format, ...) {
  char text[LOG_TEXT_MAX];
  va_list args;

  if (env->log == NULL) {
    return;
  }
  va_start(args, format);
  if (vsnprintf(text, sizeof(text), format, args) < 0) {
    text[0] = '\0';
  }
  va_end(args);
  env->log(env->log_data, level, event, text);
}
