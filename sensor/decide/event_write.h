/*
 * event_write: an event written as a map, in a policy test or a line of events.jsonl, becomes the record a
 * worker would have sent (policy-language.md section 19; design.md section 12).
 *
 *	{category: phi, action: message, phi.container: hl7, phi: [patient_name]}
 *
 * Keys are field names of the category, canonical or of another column; beside them `category`, `action`
 * (default: the category's first), `time` (default: a second after the last one's, from
 *2026-03-01T08:00:00Z), `phi`, the classes of patient data in the message, and source.device.* and
 *destination.device.*. A field of patient data takes any text: equal texts are the same patient. Left out,
 *the conversation is 10.0.0.1:40000 to 10.0.0.2:4000 over tcp, in clear, begun before our eyes, on a port of
 *the protocol's own.
 *
 * A line of events.jsonl (known by its event.category) is the event it was written of, as far as the line
 * tells: masked texts stay masked, and what it leaves out of the conversation was not there.
 */
#ifndef WW_DECIDE_EVENT_WRITE_H
#define WW_DECIDE_EVENT_WRITE_H

#include "base/yaml.h"
#include "decide/schema.h"

enum { EVENT_WRITE_BYTES = 65536 };

struct event_writer {
	const struct event_schema *schema;
	struct event_view *view; /* told what to pretend of devices */
	const char *file;        /* for messages */
	struct diag *diag;
	struct privacy_key key;
	uint64_t now_ns, packet;
	bool action_is_event; /* the key `action` of this map */
	_Alignas(8) uint8_t record[EVENT_WRITE_BYTES];
};

/* Everything is borrowed. Times and packet numbers begin anew. */
void event_writer_init(struct event_writer *w, const struct event_schema *s, struct event_view *v,
	const char *file, struct diag *diag);
/* The record, valid until the next call; NULL after saying in diag (E240) what is wrong with it. */
const struct event *event_write(struct event_writer *w, const struct yaml_node *map);

#endif
