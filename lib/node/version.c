#include <hs2net/node.h>

const char *hs2n_version(void) {
  return HS2NI_VERSION;
}

const char *hs2n_version_long(void) {
  return "hs2net " HS2NI_VERSION "\n"
         "built with " HS2NI_BUILT_WITH "\n"
         "Licence: MIT for hs2net itself. As linked with wolfSSL 5.8.2 or "
         "later: GPL-3.0-or-later,\n"
         "unless you hold wolfSSL's commercial licence.\n";
}
