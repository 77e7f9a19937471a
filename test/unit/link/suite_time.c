#include "suite.h"
int main(void) {
  struct world w;
  (void)w;
  return tap_done();
}
