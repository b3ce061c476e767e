#ifndef APIKEY_SLOT_H
#define APIKEY_SLOT_H

/*
 * Where a Redis Cluster keeps a name: each of its 16384 slots is on one node
 * at a time.  Whoever speaks to a Cluster may use this, src/redis too: it
 * knows nothing of keys.
 */

#include "text.h"

#define APIKEY_SLOTS  16384


/*
 * The slot of a name.  If there is a { and, behind it, a } with something in
 * between, only what stands between the first of them counts.
 */
unsigned apikey_slot(apikey_text_t name);

/* CRC-16 (XMODEM). */
unsigned apikey_slot_crc(apikey_text_t text);


#endif /* APIKEY_SLOT_H */
