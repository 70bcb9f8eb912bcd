/* The `sensor` block of a rule (policy-language.md section 14 and 18's `limit`). */
#include "decide/correlate.h"
#include "decide/policy_suite.h"

#include <stdio.h>

static const char *const categories[] = { "weak_auth", "default_credentials", "cleartext_credentials",
	"phi_exposure", "outdated_firmware", "known_vulnerability", "recall", "weak_crypto", "certificate",
	"lateral_movement", "segmentation", "scan", "rogue_device", "baseline", "protocol_violation",
	"policy", "sensor_health" };
/* About the server: these are its settings, whoever comes to use them. */
static const char *const about_server[] = { "weak_auth", "default_credentials", "cleartext_credentials",
	"weak_crypto", "certificate" };

static bool whole_number(
	struct loader *l, const struct yaml_node *v, int64_t least, int64_t most, int64_t *out)
{
	if (v->type != YAML_INT || v->integer < least || v->integer > most) {
		load_error(l, v, "E113", "a whole number from %lld to %lld is needed here", (long long)least,
			(long long)most);
		return false;
	}
	*out = v->integer;
	return true;
}

static bool truth(struct loader *l, const struct yaml_node *v)
{
	if (v->type != YAML_BOOL)
		load_error(l, v, "E113", "true or false is needed here");
	return v->integer != 0;
}

uint64_t parse_duration(const struct yaml_node *v)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	struct bytes t = v->text ? yaml_text(v) : (struct bytes){ 0 };
	uint64_t n;
	for (size_t i = 0; t.n > 1 && i < sizeof units / sizeof *units; i++)
		if (t.p[t.n - 1] == units[i].unit && bytes_to_u64(bytes_first(t, t.n - 1), &n) && n > 0 &&
			n <= 366 * UINT64_C(86400) / units[i].seconds)
			return n * units[i].seconds * 1000000000;
	return 0;
}

uint64_t load_duration(struct loader *l, const struct yaml_node *v)
{
	uint64_t ns = parse_duration(v);
	if (!ns)
		load_error(
			l, v, "E113", "a duration like 30s, 10m, 4h or 7d (at most 366 days) is needed here");
	return ns ? ns : 1000000000;
}

/* Place in r->by of a field's name, or -1 after saying what is wrong with it. */
static int suppress_field(
	struct loader *l, const struct rule *r, const struct yaml_node *at, const char *name)
{
	const struct event_schema *s = l->p->schema;
	if (r->correlation) {
		for (unsigned i = 0; i < r->correlation->n_by; i++)
			if (strcmp(r->correlation->by[i], name) == 0)
				return (int)i;
		load_error(l, at, "E144", "\"%s\" is not in the `group-by` of this correlation", name);
		return -1;
	}
	int f = s->schema.field(&s->schema, s->category[r->category], bytes_str(name));
	if (f < 0)
		load_error(l, at, "E144", "there is no field \"%s\" in these events", name);
	else if (s->field[f].privacy >= SECRET)
		load_error(
			l, at, "E182", "\"%s\" holds patient data: alerts cannot be told apart by it", name);
	else
		return f;
	return -1;
}

static void suppress_by(struct loader *l, struct rule *r, const struct yaml_node *suppress)
{
	const struct yaml_node *at = yaml_get(suppress, "by");
	size_t n;
	const char *const *names = load_texts(l, suppress, "by", &n);
	if (n > MAX_BY) {
		load_error(l, at, "E119", "`by` may name %d fields at most", MAX_BY);
		return;
	}
	r->n_by = 0;
	for (size_t i = 0; i < n; i++) {
		int f = suppress_field(l, r, at, names[i]);
		if (f >= 0)
			r->by[r->n_by++] = (uint16_t)f;
	}
}

static void load_suppress(struct loader *l, struct rule *r, const struct yaml_node *v)
{
	static const char *const keys[] = { "by", "mode", "count", "for" };
	static const char *const modes[] = { "limit", "threshold", "both", "backoff" };
	int64_t n;
	const struct yaml_node *mode = yaml_get(v, "mode"), *count = yaml_get(v, "count"),
			       *window = yaml_get(v, "for");
	load_keys(l, v, keys, 4, true);
	int m = mode ? load_choice(l, mode, modes, 4) : 0;
	r->threshold = m == 1;
	if (m > 1)
		load_error(l, mode, "E164", "`mode: %s` comes in a later version of this sensor", modes[m]);
	if (count && whole_number(l, count, 1, 1000000, &n))
		r->first_alerts = (uint64_t)n;
	if (window)
		r->for_ns = load_duration(l, window);
	if (yaml_get(v, "by"))
		suppress_by(l, r, v);
}

static void load_score(struct loader *l, struct rule *r, const struct yaml_node *v)
{
	static const char *const keys[] = { "device-criticality", "kev", "add" };
	const struct yaml_node *add = yaml_get(v, "add"), *criticality = yaml_get(v, "device-criticality"),
			       *kev = yaml_get(v, "kev");
	int64_t n;
	load_keys(l, v, keys, 3, true);
	if (add && whole_number(l, add, -20, 20, &n))
		r->score_add = (int)n;
	if (criticality)
		r->score_criticality = truth(l, criticality);
	if (kev && truth(l, kev)) /* no vulnerability is matched yet that could be listed */
		load_error(l, kev, "E164", "`kev: true` comes in a later version of this sensor");
}

static void load_evidence(struct loader *l, struct rule *r, const struct yaml_node *v)
{
	static const char *const keys[] = { "packets" };
	const struct yaml_node *packets = yaml_get(v, "packets");
	int64_t n;
	load_keys(l, v, keys, 1, true);
	if (packets && whole_number(l, packets, 0, MAX_EVIDENCE, &n))
		r->evidence = (unsigned)n;
}

static void load_maps(struct loader *l, struct rule *r, const struct yaml_node *v)
{
	static const char *const keys[] = { "hipaa", "hipaa_nprm", "nist80053", "iec62443", "iec80001",
		"mds2", "hicp", "fda", "attack_ics" };
	struct arena *memory = &l->p->memory;
	size_t total = 0, n;
	load_keys(l, v, keys, sizeof keys / sizeof *keys, true);
	for (size_t i = 0; i < v->n; i++)
		total += v->items[i]->type == YAML_LIST ? v->items[i]->n : 1;
	r->text.maps = arena_get(memory, (total + 1) * sizeof *r->text.maps);
	for (size_t i = 0; i < v->n; i++) {
		const char *const *texts = load_texts(l, v, v->keys[i]->text, &n);
		for (size_t k = 0; k < n; k++) {
			r->text.maps[r->text.n_maps][0] = v->keys[i]->text;
			r->text.maps[r->text.n_maps++][1] = texts[k];
		}
	}
}

static void load_response(struct loader *l, struct rule *r, const struct yaml_node *v)
{
	static const char *const keys[] = { "text", "ticket" };
	const char **out = arena_get(&l->p->memory, (v->n + 1) * sizeof *out);
	for (size_t i = 0; i < v->n; i++) {
		const struct yaml_node *one = v->items[i];
		if (one->type != YAML_MAP) {
			load_error(l, one, "E112", "a response is `text: what to do` or `ticket: queue`");
			continue;
		}
		load_keys(l, one, keys, 2, true);
		const char *text = load_text(l, one, "text", 1024);
		if (*text)
			out[r->text.n_responses++] = text;
	}
	r->text.responses = out;
}

static void load_subject(struct loader *l, struct rule *r, const struct yaml_node *sensor)
{
	static const char *const sides[] = { "source", "destination" };
	const struct yaml_node *v = yaml_get(sensor, "subject");
	for (size_t i = 0; i < sizeof about_server / sizeof *about_server; i++)
		if (strcmp(r->text.category, about_server[i]) == 0)
			r->text.subject_is_destination = true;
	int side = v ? load_choice(l, v, sides, 2) : -1;
	if (side >= 0)
		r->text.subject_is_destination = side == 1;
}

/* What policy_test.c runs. */
static void load_tests(struct loader *l, struct rule *r, const struct yaml_node *tests)
{
	static const char *const keys[] = { "name", "devices", "events", "expect" };
	size_t n = tests ? tests->n : 0;
	struct suite_devices *devices = arena_get(&l->p->memory, (n + 1) * sizeof *devices);
	r->tests = tests;
	r->test_devices = devices;
	for (size_t i = 0; i < n; i++) {
		if (tests->items[i]->type != YAML_MAP) /* which E241 says when it is run */
			continue;
		load_keys(l, tests->items[i], keys, sizeof keys / sizeof *keys, true);
		suite_devices_load(l, tests->items[i], &devices[i]);
	}
}

/* A part of the block with its shape. */
static const struct yaml_node *part(
	struct loader *l, const struct yaml_node *sensor, const char *key, enum yaml_type type)
{
	const struct yaml_node *v = yaml_get(sensor, key);
	if (v && v->type != type) {
		load_error(l, v, "E112", "`%s` must be %s, and this is %s", key, yaml_type_name(type),
			yaml_type_name(v->type));
		return NULL;
	}
	return v;
}

static void check_sensor_keys(struct loader *l, const struct yaml_node *sensor)
{
	static const char *const keys[] = { "category", "confidence", "score", "alert", "suppress",
		"evidence", "maps", "response", "owner", "subject", "tests", "rearm", "groups", "zones",
		"schedule", "inhibits", "timezone" };
	static const char *const later[] = { "inhibits", "timezone" };
	load_keys(l, sensor, keys, sizeof keys / sizeof *keys, true);
	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		if (yaml_get(sensor, later[i]))
			load_error(l, yaml_get(sensor, later[i]), "E164",
				"`%s` comes in a later version of this sensor", later[i]);
}

static void set_alert(struct rule *r, int choice)
{
	r->always = choice == 1;
	r->silent = choice == 2;
}

void rule_sensor(struct loader *l, struct rule *r, const struct yaml_node *sensor)
{
	static const char *const alerts[] = { "normal", "always", "never" };
	const struct yaml_node *v;
	int64_t n;
	if (sensor->type != YAML_MAP) {
		load_error(l, sensor, "E112", "`sensor` must be a mapping, and this is %s",
			yaml_type_name(sensor->type));
		return;
	}
	check_sensor_keys(l, sensor);
	if ((v = yaml_get(sensor, "rearm")) && !r->correlation)
		load_error(l, v, "E113", "`rearm` is for correlations: a rule looks at one event");
	if ((v = yaml_get(sensor, "category"))) {
		int c = load_choice(l, v, categories, sizeof categories / sizeof *categories);
		if (c >= 0)
			r->text.category = categories[c];
	}
	if ((v = yaml_get(sensor, "confidence")) && whole_number(l, v, 0, 100, &n))
		r->text.confidence = (unsigned)n;
	if ((v = yaml_get(sensor, "alert")))
		set_alert(r, load_choice(l, v, alerts, 3));
	if ((v = part(l, sensor, "suppress", YAML_MAP)))
		load_suppress(l, r, v);
	if ((v = part(l, sensor, "score", YAML_MAP)))
		load_score(l, r, v);
	if ((v = part(l, sensor, "evidence", YAML_MAP)))
		load_evidence(l, r, v);
	if ((v = part(l, sensor, "maps", YAML_MAP)))
		load_maps(l, r, v);
	if ((v = part(l, sensor, "response", YAML_LIST)))
		load_response(l, r, v);
	if ((v = part(l, sensor, "schedule", YAML_MAP)))
		schedule_load(l, r, v);
	if ((v = part(l, sensor, "groups", YAML_MAP)))
		rule_limits(l, r, v, MEMBER_GROUP);
	if ((v = part(l, sensor, "zones", YAML_MAP)))
		rule_limits(l, r, v, MEMBER_ZONE);
	load_subject(l, r, sensor);
	load_tests(l, r, part(l, sensor, "tests", YAML_LIST));
}
