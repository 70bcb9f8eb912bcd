/* `kind: baselines` documents. */
#include "decide/baseline.h"

#include "base/hash.h"

#include <stdio.h>

int baselines_find(const struct baselines *b, unsigned category, struct bytes name)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].category == category && bytes_is(name, b->list[i].name))
			return (int)i;
	return -1;
}

/* `device` of an event is the device it comes from. */
static int field_of(const struct event_schema *s, struct bytes category, const char *name)
{
	char of_source[256];
	int f = s->schema.field(&s->schema, category, bytes_str(name));
	if (f >= 0 || strncmp(name, "device.", 7) != 0)
		return f;
	snprintf(of_source, sizeof of_source, "source.%s", name);
	return s->schema.field(&s->schema, category, bytes_str(of_source));
}

static unsigned read_fields(struct loader *l, const struct yaml_node *body, const char *key,
	unsigned category, uint16_t out[BASELINE_FIELDS])
{
	const struct event_schema *s = l->p->schema;
	const struct yaml_node *at = yaml_get(body, key);
	size_t n;
	unsigned count = 0;
	const char *const *names = load_texts(l, body, key, &n);
	if (n == 0 || n > BASELINE_FIELDS) {
		load_error(
			l, at ? at : body, "E165", "`%s` is a list of 1 to %d fields", key, BASELINE_FIELDS);
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		int f = field_of(s, s->category[category], names[i]);
		if (f < 0)
			load_error(l, at, "E144", "there is no field \"%s\" in these events", names[i]);
		else
			out[count++] = (uint16_t)f;
	}
	return count;
}

static uint64_t read_count(struct loader *l, const struct yaml_node *body, const char *key)
{
	const struct yaml_node *v = yaml_get(body, key);
	if (v && (v->type != YAML_INT || v->integer < 0 || v->integer > 1000000))
		load_error(l, v, "E113", "a whole number from 0 to 1000000 is needed here");
	return v && v->type == YAML_INT && v->integer > 0 ? (uint64_t)v->integer : 0;
}

static uint64_t definition(const struct event_schema *s, const struct baseline *b)
{
	static const struct hash_key key = { 0x6b6e6f776e206173, 0x6465736372696265 };
	struct bytes category = s->category[b->category];
	uint64_t mix[2] = { hash_bytes(&key, category.p, category.n),
		hash_bytes(&key, b->name, strlen(b->name)) };
	uint64_t sum = hash_bytes(&key, mix, sizeof mix);
	for (unsigned i = 0; i < b->n_key + b->n_value; i++) {
		bool is_key = i < b->n_key;
		const char *field = s->field[is_key ? b->key[i] : b->value[i - b->n_key]].name;
		mix[0] = sum + is_key;
		mix[1] = hash_bytes(&key, field, strlen(field));
		sum = hash_bytes(&key, mix, sizeof mix);
	}
	return sum;
}

static void read_baseline(struct loader *l, const struct yaml_node *name, const struct yaml_node *body)
{
	static const char *const keys[] = { "event", "key", "value", "learn", "min-observations", "forget",
		"rare-below", "absent-after", "freeze", "description" };
	static const char *const later[] = { "absent-after", "freeze" };
	struct baselines *all = l->p->baselines;
	const struct yaml_node *event = body->type == YAML_MAP ? yaml_get(body, "event") : NULL;
	int category = event && event->text ? event_schema_category(l->p->schema, yaml_text(event)) : -1;
	if (category < 0) {
		load_error(l, event ? event : body, "E165",
			"a baseline is over the events of a category: {event: flow, key: [..], value: [..], "
			"learn: 14d}");
		return;
	}
	if (all->n == MAX_BASELINES || baselines_find(all, (unsigned)category, yaml_text(name)) >= 0) {
		load_error(l, name, "E165", "there is a baseline \"%s\" already, or more than %d", name->text,
			MAX_BASELINES);
		return;
	}
	load_keys(l, body, keys, sizeof keys / sizeof *keys, true);
	for (size_t i = 0; i < 2; i++)
		if (yaml_get(body, later[i]))
			load_error(l, yaml_get(body, later[i]), "E164",
				"`%s` comes in a later version of this sensor", later[i]);
	struct baseline *b = &all->list[all->n++];
	*b = (struct baseline){ .name = arena_text(&l->p->memory, yaml_text(name)),
		.category = (unsigned)category };
	b->n_key = read_fields(l, body, "key", b->category, b->key);
	b->n_value = read_fields(l, body, "value", b->category, b->value);
	if (yaml_get(body, "learn"))
		b->learn_ns = load_duration(l, yaml_get(body, "learn"));
	else
		load_error(l, body, "E165", "`learn` says how long a key is learned, like 14d");
	if (yaml_get(body, "forget"))
		b->forget_ns = load_duration(l, yaml_get(body, "forget"));
	b->min_observations = read_count(l, body, "min-observations");
	b->rare_below = read_count(l, body, "rare-below");
	b->digest = definition(l->p->schema, b);
	all->categories.word[b->category / 64] |= UINT64_C(1) << b->category % 64;
}

void baselines_load(struct loader *l, const struct yaml_node *doc)
{
	static const char *const keys[] = { "dialect", "kind", "baselines", "title", "description" };
	const struct yaml_node *map = yaml_get(doc, "baselines");
	load_keys(l, doc, keys, sizeof keys / sizeof *keys, true);
	if (!map || map->type != YAML_MAP)
		load_error(
			l, map ? map : doc, "E103", "a document of kind baselines has a mapping `baselines`");
	for (size_t i = 0; map && map->type == YAML_MAP && i < map->n; i++)
		read_baseline(l, map->keys[i], map->items[i]);
}
