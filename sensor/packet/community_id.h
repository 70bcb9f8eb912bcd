/* community_id: the Community ID v1 of a conversation, by which other tools find the same one. Any thread. */
#ifndef WW_PACKET_COMMUNITY_ID_H
#define WW_PACKET_COMMUNITY_ID_H

#include "packet/event.h"

enum { COMMUNITY_ID_TEXT = 31 }; /* "1:" and 28 base64 characters, NUL-terminated */

/* False, and out empty, for a conversation without IP addresses. Both directions give the same text, but for
 * ICMP types without a counterpart. */
bool community_id(const struct conv *c, uint16_t seed, char out[COMMUNITY_ID_TEXT]);

#endif
