/* sensor.schedule: at which times of the week a rule counts (policy-language.md section 14). Packet time; UTC
 * or a fixed offset from it, because rules of summer time change and are not ours to keep. */
#include "decide/policy_impl.h"

enum { MINUTES = 24 * 60 };

static bool two_digits(struct bytes t, size_t at, unsigned *out)
{
	if (!ascii_digit(bytes_at(t, at)) || !ascii_digit(bytes_at(t, at + 1)))
		return false;
	*out = (unsigned)(bytes_at(t, at) - '0') * 10 + (unsigned)(bytes_at(t, at + 1) - '0');
	return true;
}

/* hh:mm, up to 24:00 */
static bool clock_time(struct bytes t, uint16_t *minute)
{
	unsigned h, m;
	if (t.n != 5 || bytes_at(t, 2) != ':' || !two_digits(t, 0, &h) || !two_digits(t, 3, &m) || m > 59 ||
		h * 60 + m > MINUTES)
		return false;
	*minute = (uint16_t)(h * 60 + m);
	return true;
}

static void load_hours(struct loader *l, struct schedule *s, const struct yaml_node *v)
{
	bool list = v->type == YAML_LIST;
	for (size_t i = 0; i < (list ? v->n : 1); i++) {
		const struct yaml_node *one = list ? v->items[i] : v;
		struct bytes t = one->text ? yaml_text(one) : (struct bytes){ 0 };
		uint16_t from, to;
		if (t.n != 11 || bytes_at(t, 5) != '-' || !clock_time(bytes_first(t, 5), &from) ||
			!clock_time(bytes_from(t, 6), &to) || from == to || from == MINUTES)
			load_error(l, one, "E113", "hours are written like '08:00-18:00' or '22:00-06:00'");
		else if (s->n_hours == MAX_HOURS)
			load_error(l, one, "E119", "`hours` may have %d ranges at most", MAX_HOURS);
		else {
			s->hours[s->n_hours].from = from;
			s->hours[s->n_hours++].to = to;
		}
	}
}

static void load_days(struct loader *l, struct schedule *s, const struct yaml_node *schedule)
{
	static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	const struct yaml_node *v = yaml_get(schedule, "days");
	bool list = v && v->type == YAML_LIST;
	s->days = v ? 0 : 0x7f;
	for (size_t i = 0; v && i < (list ? v->n : 1); i++) {
		int d = load_choice(l, list ? v->items[i] : v, days, 7);
		if (d >= 0)
			s->days |= (uint8_t)(1u << d);
	}
}

static void load_zone(struct loader *l, struct schedule *s, const struct yaml_node *v)
{
	struct bytes t = v->text ? yaml_text(v) : (struct bytes){ 0 };
	int sign = bytes_at(t, 0) == '-' ? -1 : bytes_at(t, 0) == '+' ? 1 : 0;
	uint16_t minutes;
	if (bytes_is(t, "UTC"))
		return;
	if (sign == 0 || !clock_time(bytes_from(t, 1), &minutes) || minutes > 14 * 60)
		load_error(l, v, "E113",
			"`timezone` is UTC or a fixed offset like '+01:00': zones with summer time are not "
			"known "
			"to this sensor");
	else
		s->offset_min = (int16_t)(sign * minutes);
}

void schedule_load(struct loader *l, struct rule *r, const struct yaml_node *v)
{
	static const char *const keys[] = { "days", "hours", "timezone", "invert" };
	struct schedule *s = arena_get(&l->p->memory, sizeof *s);
	const struct yaml_node *hours = yaml_get(v, "hours"), *zone = yaml_get(v, "timezone"),
			       *invert = yaml_get(v, "invert");
	load_keys(l, v, keys, 4, true);
	load_days(l, s, v);
	if (hours)
		load_hours(l, s, hours);
	if (zone)
		load_zone(l, s, zone);
	if (invert && invert->type != YAML_BOOL)
		load_error(l, invert, "E113", "true or false is needed here");
	s->invert = invert && invert->integer;
	r->schedule = s;
}

/* Hours over midnight belong to the day they begin on. */
static bool is_within(const struct schedule *s, unsigned weekday, unsigned minute)
{
	bool today = s->days >> weekday & 1, yesterday = s->days >> ((weekday + 6) % 7) & 1;
	if (s->n_hours == 0)
		return today;
	for (unsigned i = 0; i < s->n_hours; i++) {
		unsigned from = s->hours[i].from, to = s->hours[i].to;
		if (from < to ? today && minute >= from && minute < to
			      : (today && minute >= from) || (yesterday && minute < to))
			return true;
	}
	return false;
}

bool schedule_holds(const struct schedule *s, uint64_t ts_ns)
{
	if (!s)
		return true;
	int64_t minutes = (int64_t)(ts_ns / 60000000000) + s->offset_min;
	int64_t days = minutes >= 0 ? minutes / MINUTES : 0;
	unsigned weekday = (unsigned)((days + 3) % 7); /* 1970-01-01 was a Thursday; Monday is 0 */
	return is_within(s, weekday, (unsigned)(minutes - days * MINUTES)) != s->invert;
}
