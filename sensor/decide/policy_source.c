/* Log sources (policy-language.md section 5): to which events a rule is attached, and what of them the source
 * takes for granted. */
#include "decide/policy_impl.h"

#include <stdio.h>

enum { SOURCE_TEXT = 1024 };

enum source_flag { OF_HOST = 1 };

/* The first row that fits; "" is "not given or anything". */
static const struct row {
	const char *product, *service, *category, *ours;
	enum where where;
	unsigned flags;
} sources[] = {
	{ "zeek", "conn", "", "flow", WHERE_ENDED, 0 },
	{ "zeek", "ssl", "", "tls", WHERE_ALL, 0 },
	{ "zeek", "rfb", "", "vnc", WHERE_ALL, 0 },
	{ "zeek", "smb_files", "", "smb", WHERE_SMB_FILE, 0 },
	{ "zeek", "smb_mapping", "", "smb", WHERE_SMB_TREE, 0 },
	{ "zeek", "files", "", "file", WHERE_ALL, 0 },
	{ "", "connection", "network", "flow", WHERE_ENDED, 0 },
	{ "", "dns", "network", "dns", WHERE_ALL, 0 },
	{ "", "", "dns", "dns", WHERE_ALL, 0 },
	{ "", "", "firewall", "flow", WHERE_ENDED, 0 },
	{ "", "", "proxy", "http", WHERE_TO_OUTSIDE, 0 },
	{ "", "", "webserver", "http", WHERE_TO_HOME, 0 },
	{ "windows", "", "dns_query", "dns", WHERE_ALL, OF_HOST },
	{ "linux", "", "dns_query", "dns", WHERE_ALL, OF_HOST },
	{ "macos", "", "dns_query", "dns", WHERE_ALL, OF_HOST },
	{ "windows", "", "network_connection", "flow", WHERE_ENDED, OF_HOST },
	{ "linux", "", "network_connection", "flow", WHERE_ENDED, OF_HOST },
	{ "macos", "", "network_connection", "flow", WHERE_ENDED, OF_HOST },
	{ "rpc_firewall", "", "application", "dce_rpc", WHERE_ALL, 0 },
};

/* ---- attaching ---------------------------------------------------------------------------------- */

static const char *source_text(struct loader *l, const struct yaml_node *map, const char *key)
{
	const char *text = load_text(l, map, key, SOURCE_TEXT);
	for (const char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z') {
			load_error(l, yaml_get(map, key), "E130", "`%s` is written in lower case", key);
			return "";
		}
	return text;
}

static bool fits(const char *want, const char *have)
{
	return *want == 0 || strcmp(want, have) == 0;
}

static bool is_service_of_zeek(const char *service)
{
	static const char *const same[] = { "dns", "http", "x509", "dhcp", "ftp", "smtp", "snmp", "ssh",
		"rdp", "ntp", "radius", "sip", "mqtt", "ldap", "kerberos", "ntlm", "dce_rpc", "syslog",
		"modbus", "bacnet" };
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (strcmp(service, same[i]) == 0)
			return true;
	return false;
}

static int native_category(struct loader *l, const struct yaml_node *at, const char *service)
{
	const struct event_schema *s = l->p->schema;
	const char *names[SCHEMA_CATEGORIES];
	char copies[SCHEMA_CATEGORIES][32];
	int c = event_schema_category(s, bytes_str(service));
	if (c >= 0)
		return c;
	for (unsigned i = 0; i < s->n_categories; i++) {
		snprintf(copies[i], sizeof copies[i], "%.*s", (int)s->category[i].n,
			(const char *)s->category[i].p);
		names[i] = copies[i];
	}
	const char *near = diag_nearest(bytes_str(service), names, s->n_categories);
	load_error(l, at, "E131", "no event of this sensor is of the category \"%s\"%s%s%s", service,
		near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return -1;
}

/* Reason S1; an error for who wants every rule to be of use. */
static int attach_nowhere(struct loader *l, const struct yaml_node *at, const char *why)
{
	bool strict = l->p->options.strict_logsource;
	diag_add(l->diag, strict ? DIAG_ERROR : DIAG_SKIPPED, l->file, at->line, at->column,
		strict ? "E131" : "S1", "%s", why);
	return -1;
}

static const struct row *find_row(const char *product, const char *service, const char *category)
{
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (fits(sources[i].product, product) && fits(sources[i].service, service) &&
			fits(sources[i].category, category))
			return &sources[i];
	return NULL;
}

static int attach_row(struct loader *l, struct rule *r, const struct yaml_node *at, const struct row *row)
{
	r->where = row->where;
	r->foreign = true;
	r->of_host = row->flags & OF_HOST;
	if (r->of_host && !l->p->options.compat_host)
		return attach_nowhere(l, at,
			"this log source is a host's: with --compat-host such rules look at the network's "
			"events");
	return event_schema_category(l->p->schema, bytes_str(row->ours));
}

int logsource_attach(
	struct loader *l, struct rule *r, const struct yaml_node *doc, const struct yaml_node *logsource)
{
	if (!logsource || logsource->type != YAML_MAP) {
		load_error(l, logsource ? logsource : doc, "E130",
			"`logsource` says which events a rule looks at, like "
			"{product: wardwatch, service: dicom}");
		return -1;
	}
	const char *product = source_text(l, logsource, "product"),
		   *service = source_text(l, logsource, "service");
	const char *category = source_text(l, logsource, "category");
	if (!*product && !*service && !*category) {
		load_error(l, logsource, "E130", "`logsource` needs one of product, service and category");
		return -1;
	}
	if (strcmp(product, "wardwatch") == 0 && *service)
		return native_category(l, logsource, service);
	if (strcmp(product, "wardwatch") == 0) {
		load_error(l, logsource, "E131",
			"the events of this sensor are named by `service`, like {product: wardwatch, "
			"service: %s}",
			event_schema_category(l->p->schema, bytes_str(category)) < 0 ? "dicom" : category);
		return -1;
	}
	const struct row *row = find_row(product, service, category);
	if (row)
		return attach_row(l, r, logsource, row);
	r->foreign = true;
	if (strcmp(product, "zeek") == 0 && is_service_of_zeek(service))
		return event_schema_category(l->p->schema, bytes_str(service));
	return attach_nowhere(l, logsource, "this sensor sees no events of this log source");
}

/* ---- rules of hosts ------------------------------------------------------------------------------ */

/* The first key that names no field of those events, or NULL. */
static const struct yaml_node *beyond(
	const struct event_schema *s, struct bytes category, const struct yaml_node *n)
{
	const struct yaml_node *found = NULL;
	for (size_t i = 0; n->type == YAML_LIST && i < n->n && !found; i++)
		found = beyond(s, category, n->items[i]);
	for (size_t i = 0; n->type == YAML_MAP && i < n->n && !found; i++) {
		struct bytes key = yaml_text(n->keys[i]);
		struct bytes name = bytes_first(key, bytes_chr(key, 0, '|'));
		if (name.n && s->schema.field(&s->schema, category, name) < 0)
			found = n->keys[i];
	}
	return found;
}

bool logsource_can_judge(struct loader *l, const struct rule *r, const struct yaml_node *detection)
{
	const struct event_schema *s = l->p->schema;
	for (size_t i = 0; r->of_host && i < detection->n; i++) {
		const struct yaml_node *at = beyond(s, s->category[r->category], detection->items[i]);
		if (!at)
			continue;
		diag_add(l->diag, DIAG_SKIPPED, l->file, at->line, at->column, "S2",
			"\"%s\" is known to the host alone, not to a sensor in the network", at->text);
		return false;
	}
	return true;
}

/* ---- what a source takes for granted ---------------------------------------------------------------- */

/* addr_is_private, and what is no host's address anywhere. */
#define PRIVATE                                                                                              \
	"10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, 127.0.0.0/8, "            \
	"'fc00::/7', 'fe80::/10', '::1/128'"
#define NOBODY "0.0.0.0/32, 255.255.255.255/32, 224.0.0.0/4, '::/128', 'ff00::/8'"

/* Written as rules write it, so that one evaluator judges it and one explanation tells of it. */
static const char *const where_text[WHERE_N] = {
	/* Such logs have one line of a conversation, with its outcome; we have several events. */
	[WHERE_ENDED] = "{ended: {event.action: end}, condition: ended}",
	[WHERE_SMB_FILE] = "{log_source: {smb.object: file}, condition: log_source}",
	[WHERE_SMB_TREE] = "{log_source: {smb.object: tree}, condition: log_source}",
	[WHERE_TO_HOME] =
		"{to_home_networks: {destination.ip|cidr: [" PRIVATE "%s]}, condition: to_home_networks}",
	[WHERE_TO_OUTSIDE] =
		"{addressed: {destination.ip|exists: true}, to_home_networks: {destination.ip|cidr: [" PRIVATE
		"%s]}, to_nobody: {destination.ip|cidr: [" NOBODY
		"]}, condition: addressed and not to_home_networks and not to_nobody}",
};

/* Without host bits, which people leave in `home` and `cidr` refuses. */
static struct addr network_address(const struct network *n)
{
	struct addr a = n->addr;
	for (unsigned bit = (a.family == 4 ? 96u : 0) + n->bits; bit < 128; bit++)
		a.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return a;
}

/* The text with the networks of the site in place of %s. */
static const char *where_written(struct policy *p, const char *text)
{
	const struct policy_options *o = &p->options;
	size_t room = strlen(text) + 1 + o->n_home * (ADDR_TEXT + sizeof ", '/128'"), at = 0;
	char *out = arena_get(&p->memory, room), address[ADDR_TEXT];
	const char *hole = strstr(text, "%s");
	at += (size_t)snprintf(out, room, "%.*s", (int)(hole ? hole - text : (long)strlen(text)), text);
	for (size_t i = 0; hole && i < o->n_home; i++) {
		struct addr net = network_address(&o->home[i]);
		at += (size_t)snprintf(
			out + at, room - at, ", '%s/%u'", addr_text(&net, address), o->home[i].bits);
	}
	if (hole)
		snprintf(out + at, room - at, "%s", hole + 2);
	return out;
}

void logsource_complete(struct loader *l)
{
	struct policy *p = l->p;
	for (size_t i = 0; i < p->n_rules; i++) {
		struct rule *r = p->rules[i];
		struct yaml_file *file = &p->where_file[r->where];
		if (r->where != WHERE_ALL && !p->where[r->where] &&
			yaml_parse("log source", bytes_str(where_written(p, where_text[r->where])), file,
				l->diag))
			p->where[r->where] = detect_compile(file->docs[0], &p->schema->schema,
				p->schema->category[r->category], false, "log source", l->diag);
		r->source = p->where[r->where];
	}
}

void logsource_free(struct policy *p)
{
	for (unsigned i = 0; i < WHERE_N; i++) {
		detect_free(p->where[i]);
		yaml_fini(&p->where_file[i]);
	}
}

bool rule_holds(const struct rule *r, const struct view *v, struct detect_reason *reason)
{
	bool held = (!r->source || detect_eval(r->source, v, NULL)) && detect_eval(r->detect, v, reason) &&
		    rule_is_within(r, v);
	for (size_t i = 0; held && i < r->n_filters; i++)
		held = detect_eval(r->filters[i].detect, v, NULL);
	return held;
}
