/* CEF and LEEF: a line of keys and values (siem-conventions.md section 13; ArcSight's Common Event Format
 * version 0, IBM's Log Event Extended Format 2.0). Alerts and what the sensor says of itself have such a
 * line.
 *
 * A value is cut to what CEF's dictionary allows; if the whole is too long still, to half of it, and so on.
 */
#include "base/utf8.h"
#include "run/format_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH = 128, VALUE_MOST = 1023, VALUE_LEAST = 16 };

enum place { CEF_HEADER, CEF_VALUE, LEEF_HEADER, LEEF_VALUE };

enum take {
	TEXT,
	MAC,    /* with colons */
	UPPER,  /* in upper case */
	NUMBER, /* digits */
	TIME,   /* milliseconds since 1970 */
	DATE,   /* as LEEF's devTimeFormat says */
	IPV4,   /* only such an address */
	IPV6,
	LIST,    /* joined by commas */
	SUBJECT, /* of wardwatch.source or .destination, whichever it is about */
};

struct column {
	const char *key;
	enum take take;
	const char *path;
	const char *label; /* CEF: of its own keys */
};

static const struct column cef[] = { { "rt", TIME, "@timestamp", NULL },
	{ "cat", TEXT, "wardwatch.category", NULL }, { "externalId", TEXT, "event.id", NULL },
	{ "start", TIME, "event.start", NULL }, { "end", TIME, "event.end", NULL },
	{ "src", IPV4, "source.ip", NULL }, { "c6a2", IPV6, "source.ip", "Source IPv6 Address" },
	{ "spt", NUMBER, "source.port", NULL }, { "smac", MAC, "source.mac", NULL },
	{ "shost", TEXT, "wardwatch.source.device.name", NULL }, { "dst", IPV4, "destination.ip", NULL },
	{ "c6a3", IPV6, "destination.ip", "Destination IPv6 Address" },
	{ "dpt", NUMBER, "destination.port", NULL }, { "dmac", MAC, "destination.mac", NULL },
	{ "dhost", TEXT, "wardwatch.destination.device.name", NULL },
	{ "proto", UPPER, "network.transport", NULL }, { "app", TEXT, "network.protocol", NULL },
	{ "dvchost", TEXT, "observer.name", NULL },
	{ "deviceExternalId", TEXT, "observer.serial_number", NULL },
	{ "deviceInboundInterface", TEXT, "observer.ingress.interface.name", NULL },
	{ "cnt", NUMBER, "wardwatch.count", NULL }, { "msg", TEXT, "event.reason", NULL },
	{ "reason", LIST, "wardwatch.reason.matched", NULL }, { "cs1", SUBJECT, "zone", "Zone" },
	{ "cs2", TEXT, "wardwatch.device.type", "Device type" },
	{ "cs3", SUBJECT, "device.firmware.version", "Firmware" },
	{ "cs4", LIST, "threat.technique.id", "ATT&CK technique" },
	{ "cs5", LIST, "wardwatch.phi.classes", "PHI classes" },
	{ "cs6", LIST, "wardwatch.maps.hipaa", "HIPAA" }, { "cn1", NUMBER, "event.risk_score", "Risk score" },
	{ "cn2", NUMBER, "wardwatch.confidence", "Confidence" },
	{ "flexString1", TEXT, "network.community_id", "Community ID" } };

static const struct column leef[] = { { "devTime", DATE, "@timestamp", NULL },
	{ "cat", TEXT, "wardwatch.category", NULL }, { "src", TEXT, "source.ip", NULL },
	{ "dst", TEXT, "destination.ip", NULL }, { "srcPort", NUMBER, "source.port", NULL },
	{ "dstPort", NUMBER, "destination.port", NULL }, { "srcMAC", MAC, "source.mac", NULL },
	{ "dstMAC", MAC, "destination.mac", NULL }, { "proto", UPPER, "network.transport", NULL },
	{ "usrName", TEXT, "wardwatch.event.credential.username_class", NULL },
	{ "identHostName", SUBJECT, "device.name", NULL }, { "eventId", TEXT, "event.id", NULL },
	{ "name", TEXT, "message", NULL }, { "reason", TEXT, "event.reason", NULL },
	{ "app", TEXT, "network.protocol", NULL }, { "count", NUMBER, "wardwatch.count", NULL },
	{ "riskScore", NUMBER, "event.risk_score", NULL },
	{ "confidence", NUMBER, "wardwatch.confidence", NULL },
	{ "deviceType", TEXT, "wardwatch.device.type", NULL },
	{ "firmware", SUBJECT, "device.firmware.version", NULL }, { "zone", SUBJECT, "zone", NULL },
	{ "techniques", LIST, "threat.technique.id", NULL },
	{ "phiClasses", LIST, "wardwatch.phi.classes", NULL },
	{ "hipaa", LIST, "wardwatch.maps.hipaa", NULL },
	{ "communityId", TEXT, "network.community_id", NULL }, { "sensor", TEXT, "observer.name", NULL } };

static const unsigned cef_severity[] = { 1, 3, 5, 8, 10 };
static const unsigned leef_severity[] = { 1, 3, 5, 8, 10 };

/* ---- one value ------------------------------------------------------------------------------- */

static void put_char(struct formatter *f, enum place place, uint32_t c)
{
	uint8_t utf8[4];
	char text[8];
	bool header = place == CEF_HEADER || place == LEEF_HEADER;
	bool cef_place = place == CEF_HEADER || place == CEF_VALUE;
	if (place == CEF_VALUE && (c == '\n' || c == '\r')) {
		form_puts(f, c == '\n' ? "\\n" : "\\r");
	} else if (text_is_control(c) || (place == LEEF_HEADER && c == '|')) {
		/* LEEF has no escapes: what would end a field is told by its number. */
		snprintf(text, sizeof text, "\\u%04x", c);
		form_puts(f, cef_place ? "\\" : "");
		form_puts(f, text);
	} else {
		if (cef_place && (c == '\\' || c == (header ? '|' : '=')))
			form_puts(f, "\\");
		form_put(f, bytes_of(utf8, utf8_put(c, utf8)));
	}
}

/* Text of a JSON string, at most f->text_most bytes of it. */
static void put_text(struct formatter *f, enum place place, struct bytes inside)
{
	inside = json_cut(inside, f->text_most);
	while (inside.n)
		put_char(f, place, json_char(&inside));
}

static void put_case(struct formatter *f, enum place place, struct bytes t, bool upper)
{
	for (; t.n; t = bytes_from(t, 1)) {
		uint8_t c = t.p[0];
		put_char(f, place, upper ? ascii_upper(c) : c == '-' ? ':' : c);
	}
}

static void put_list(struct formatter *f, enum place place, const struct json_node *list)
{
	size_t left = f->text_most;
	bool first = true;
	JSON_EACH (c, &f->tree, list) {
		struct bytes inside = json_inside(c);
		if (inside.n > left)
			break;
		left -= inside.n;
		if (!first)
			put_char(f, place, ',');
		put_text(f, place, inside);
		first = false;
	}
}

static void put_number(struct formatter *f, uint64_t v)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, v);
	form_puts(f, text);
}

/* To the millisecond, in UTC: "XXX" of the format is Z then. */
static void put_date(struct formatter *f, struct bytes t)
{
	form_put(f, bytes_first(t, TIME_TEXT - 5));
	form_puts(f, "Z");
}

static const struct json_node *node_of(const struct formatter *f, const struct column *c)
{
	char path[PATH];
	const char *side = form_subject(f);
	if (c->take != SUBJECT)
		return form_at(f, c->path);
	snprintf(path, sizeof path, "wardwatch.%s.%s", side ? side : "source", c->path);
	return form_at(f, path);
}

/* Whether the column has a value: node is not NULL. */
static bool has_value(const struct column *c, const struct json_node *node)
{
	struct bytes text = json_inside(node);
	bool ipv6 = bytes_chr(text, 0, ':') < text.n;
	switch (c->take) {
	case NUMBER:
		return node->type == JSON_NUMBER;
	case LIST:
		return node->type == JSON_ARRAY && node->raw.n > 2;
	case IPV4:
		return text.n && !ipv6;
	case IPV6:
		return ipv6;
	case TIME:
	case DATE:
		return text.n == TIME_TEXT - 1;
	case TEXT:
	case MAC:
	case UPPER:
	case SUBJECT:
		break;
	}
	return text.n > 0;
}

static void put_value(
	struct formatter *f, enum place place, const struct column *c, const struct json_node *node)
{
	switch (c->take) {
	case NUMBER:
		form_put(f, node->raw);
		break;
	case TIME:
		put_number(f, form_time(f, c->path));
		break;
	case DATE:
		put_date(f, json_inside(node));
		break;
	case LIST:
		put_list(f, place, node);
		break;
	case MAC:
	case UPPER:
		put_case(f, place, json_inside(node), c->take == UPPER);
		break;
	case TEXT:
	case IPV4:
	case IPV6:
	case SUBJECT:
		put_text(f, place, json_inside(node));
		break;
	}
}

/* ---- a line ---------------------------------------------------------------------------------- */

static void put_header(struct formatter *f, enum place place, const char *path, const char *otherwise)
{
	put_text(f, place, form_text(f, form_at(f, path) ? path : otherwise));
	form_puts(f, "|");
}

static void put_cef(struct formatter *f)
{
	const char *joint = "";
	form_puts(f, "CEF:0|Wardwatch|Wardwatch|");
	put_header(f, CEF_HEADER, "observer.version", "");
	put_header(f, CEF_HEADER, "rule.id", "event.action");
	put_header(f, CEF_HEADER, "message", "event.action");
	put_number(f, cef_severity[f->record->level]);
	form_puts(f, "|");
	for (size_t i = 0; i < sizeof cef / sizeof *cef; i++) {
		const struct json_node *node = node_of(f, &cef[i]);
		if (!node || !has_value(&cef[i], node))
			continue;
		form_puts(f, joint);
		form_puts(f, cef[i].key);
		form_puts(f, "=");
		put_value(f, CEF_VALUE, &cef[i], node);
		joint = " ";
		if (!cef[i].label)
			continue;
		form_puts(f, " ");
		form_puts(f, cef[i].key);
		form_puts(f, "Label=");
		form_puts(f, cef[i].label);
	}
}

static void put_leef(struct formatter *f)
{
	form_puts(f, "LEEF:2.0|Wardwatch|Wardwatch|");
	put_header(f, LEEF_HEADER, "observer.version", "");
	put_header(f, LEEF_HEADER, "rule.id", "event.action");
	form_puts(f, "x09|devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX\tsev=");
	put_number(f, leef_severity[f->record->level]);
	for (size_t i = 0; i < sizeof leef / sizeof *leef; i++) {
		const struct json_node *node = node_of(f, &leef[i]);
		if (!node || !has_value(&leef[i], node))
			continue;
		form_puts(f, "\t");
		form_puts(f, leef[i].key);
		form_puts(f, "=");
		put_value(f, LEEF_VALUE, &leef[i], node);
	}
}

static void fitting(struct formatter *f, void (*put)(struct formatter *f))
{
	if (f->record->class == OUTBOX_ASSET)
		return;
	f->text_most = VALUE_MOST;
	put(f);
	while (f->out.n > f->most && f->text_most > VALUE_LEAST) {
		f->text_most /= 2;
		f->out.n = 0;
		put(f);
	}
}

void format_cef(struct formatter *f)
{
	fitting(f, put_cef);
}

void format_leef(struct formatter *f)
{
	fitting(f, put_leef);
}
