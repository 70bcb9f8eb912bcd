/*
 * documents: what an event, an alert and a device look like in JSON (siem-conventions.md sections 7 to 9;
 * events: design.md section 12). Each fills the doc; suspect text stays sealed until decide/mask.h opens it.
 *
 * Hub thread; nothing allocates. The doc is reset first; the caller writes it with json_flat (events) or
 * json_nested.
 */
#ifndef WW_RUN_DOCUMENTS_H
#define WW_RUN_DOCUMENTS_H

#include "base/json.h"
#include "decide/alert.h"
#include "packet/categories.h"
#include "run/outbox.h"
#include "run/vitals.h"

struct doc_context {
	const char *sensor_name;   /* observer.name */
	bool pseudonyms;           /* the site's key is from a file: pseudonyms may be shown */
	const struct zones *zones; /* to tell a device's zone; may be NULL */
	uint64_t created_ns;       /* live: doc_now (event.created); 0: a replay, equal to the others */
};

/* A line of events.jsonl: flat dotted keys, named as policies name them. */
void event_json(struct json_doc *d, const struct doc_context *ctx, const struct event *e);
/* An ECS document of class alert, or health for the category sensor_health (there of kind event below high).
 */
void alert_json(struct json_doc *d, const struct doc_context *ctx, const struct alert *a);
/* An ECS document of kind asset. */
void device_json(struct json_doc *d, const struct doc_context *ctx, const struct device *dev);

/* The event.id of a device's document: another one when what is known of the device is, the same while only
 * time goes on. */
enum { DEVICE_FACE = 24 };
void device_face(const struct device *dev, char id[DEVICE_FACE]);
/* The event.id of a document as json_nested wrote it; empty: it has none. */
struct bytes document_id(struct bytes document);
/* What the sensor says of itself, of kind event, or alert when it is severe (section 8). */
struct health_note {
	const char *action;   /* "redis_oom" */
	const char *sentence; /* ours: nothing from the wire */
	enum level level;
	/* Documents that were lost, by class and level, and when. */
	bool has_lost;
	uint64_t lost[OUTBOX_CLASSES][LEVELS];
	uint64_t from_ms, to_ms;
	const struct vitals *vitals; /* a minute's figures; or NULL */
};
enum { HEALTH_ID = 24 };
/* number: tells equal notes of one moment apart. */
void health_json(struct json_doc *d, const struct doc_context *ctx, const struct health_note *n,
	uint64_t now_ns, uint64_t number, char id[HEALTH_ID]);

/* CLOCK_REALTIME in ns. */
uint64_t doc_now(void);

/* ---- shared by the three ------------------------------------------------------------------ */

enum { DOC_KEY = 192 };

/* The protocol that was spoken: of a derived event, that of the message it came from; empty when unknown. */
struct bytes event_protocol(const struct event *e);
/* Fields in which a person stands more often than not: they are shown as [masked] only. */
bool field_is_withheld(struct bytes name);
/* One value in the form its privacy class allows; FACT_PHI has none. */
void value_json(
	struct json_doc *d, const char *key, enum fact_type type, enum privacy privacy, struct bytes v);
/* The facts of an event under `prefix`, which is "" or ends with a dot. */
void facts_json(struct json_doc *d, const struct doc_context *ctx, const struct event *e, const char *prefix);
/* An attribute: its value, or all of them where it is a set. */
void attr_json(struct json_doc *d, const char *key, const struct device *dev, enum attr a);
void observer_json(struct json_doc *d, const struct doc_context *ctx);
/* The classes of a set of PHI_BIT()s as a list under key; nothing when there are none. */
void phi_json(struct json_doc *d, const char *key, uint32_t phi);
/* A key of two parts; returns out. */
const char *doc_key(char out[DOC_KEY], const char *prefix, const char *name);

#endif
