/*
 * shipper: the thread that carries documents from the hub to Redis and syslog: rings in, outbox, deliveries
 * out (design.md section 9, siem-conventions.md section 5).
 *
 * What is in a ring is taken out only when the outbox has committed it. The outbox commits what has come as
 * one group; a delivery is offered what is committed and acknowledges it; when all before it are acknowledged
 * too, its place in the outbox moves on. A store that cannot be written holds the rings up, nothing else.
 *
 * Live nobody waits for it: a full ring is a loss, which who finds it full counts (shipper_lose) and the
 * outbox and the next health document tell. Offline the caller waits.
 */
#ifndef WW_RUN_SHIPPER_H
#define WW_RUN_SHIPPER_H

#include "run/delivery.h"
#include "run/documents.h"
#include "run/log.h"

enum { SHIPPER_RING_BYTES = 16 << 20, SHIPPER_DOCUMENT = 1 << 20 /* a longer one is lost */ };

/* Who puts in: each one thread, with a ring of its own. */
enum shipper_end { SHIPPER_HUB, SHIPPER_TELLING, SHIPPER_ENDS };

struct shipper_setup {
	struct outbox *outbox; /* its outputs in the order of shipper_add */
	struct doc_context doc;
	struct log *log; /* NULL: offline */
	/* First of all on the thread; false: it ends, and shipper_failed. May be NULL. */
	bool (*begin)(void *arg);
	void *arg;
};

struct shipper;

/* Start-up only. NULL: no memory. */
struct shipper *shipper_new(const struct shipper_setup *s);
/* Of the output that is added next; valid as long as the shipper. */
struct delivery_hooks shipper_hooks(struct shipper *s);
void shipper_add(struct shipper *s, struct delivery *d);                    /* the shipper's from now on */
bool shipper_start(struct shipper *s, bool (*begin)(void *arg), void *arg); /* false: errno */

/* A document, copied; number and stream_id are not looked at. False: the ring is full. */
bool shipper_put(struct shipper *s, enum shipper_end end, const struct outbox_record *r);
void shipper_lose(struct shipper *s, enum shipper_end end, const struct outbox_record *r);

/* Who puts in, when it may wait: is all that was put in on disk? Has the store been broken for so long that
 * there is no sense in waiting? */
bool shipper_kept(const struct shipper *s, enum shipper_end end);
bool shipper_is_stuck(const struct shipper *s);

/* For any thread. */
struct shipper_output {
	const char *name;
	struct delivery_figures figures;
	uint64_t waiting; /* records that it has not acknowledged */
};
struct shipper_figures {
	struct outbox_figures outbox;
	struct shipper_output outputs[OUTBOX_OUTPUTS];
	size_t n_outputs;
	uint64_t commits;
	char problem[DELIVERY_TEXT]; /* of the store; "": none */
};
void shipper_figures(struct shipper *s, struct shipper_figures *f);

/* Nobody puts in any more. Waits until all is delivered, at most drain_ns behind the last commit of what the
 * rings still held (offline also a store that cannot be written is waited for no longer). Returns how many
 * records wait. */
uint64_t shipper_stop(struct shipper *s, uint64_t drain_ns);
void shipper_free(struct shipper *s); /* after shipper_stop; not the outbox */

#endif
