/*
 * fakeredis: the Redis delivery under test (fake.d), and the server it talks to, played by the test: it waits
 * for commands and says what it likes. Time is the test's own: fake_turn() moves it. One at a time.
 */
#ifndef WW_TESTS_FAKEREDIS_H
#define WW_TESTS_FAKEREDIS_H

#include "run/redis.h"

#define MS ((uint64_t)1000000)
#define S  ((uint64_t)1000000000)

struct fake_redis {
	struct broker broker;
	int listener, peer;
	char port[8], folder[64], password[96];
	struct delivery *d;
	struct redis_setup setup;
	uint64_t now;
	char in[65536]; /* of commands */
	size_t n_in;
	/* What the hooks heard. */
	uint64_t delivered, renewed, rewound;
	struct outbox_id above, next;
	char told[16][32];
	char sentence[256];
	unsigned n_told;
};

extern struct fake_redis fake;

/* For cmocka: of the group, and before and after each test. Settings are changed between fake_start and
 * fake_make. */
int fake_start_group(void **state);
int fake_stop_group(void **state);
int fake_start(void **state);
int fake_stop(void **state);

/* The sensor's side. fake_up: made, connected, greeted. */
void fake_make(void);
void fake_up(const char *top);
void fake_turn(uint64_t forward_ns);
void fake_offer(uint64_t number, bool was_offered); /* id 1000-number */
bool fake_was_told(const char *event);

/* The server's side. */
void fake_accept(void); /* waits for a connection, as long as a backoff takes */
/* Answers all up to where records go; top: the streams' last id, NULL: there are none. */
void fake_greet(const char *top);
/* The next whole command as its words with blanks between; "": none comes. */
const char *fake_command(void);
void fake_expect(const char *start);
void fake_say(const char *text);
void fake_hang_up(void);
bool fake_is_closed(void); /* from the sensor's side */

#endif
