/* Parts of a time in UTC, and durations. */
#include "decide/detect_impl.h"

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Gregorian calendar from days since 1970-01-01; years counted from March, so that the leap day is the last.
 */
static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	days += 719468; /* 0000-03-01 */
	int64_t era = floor_div(days, 146097), of_era = days - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = y + era * 400 + (*month <= 2);
}

static int64_t days_of_year_start(int64_t year)
{
	int64_t y = year - 1;
	return 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 719162;
}

/* ISO 8601: the week of the year's first Thursday is 1; weeks begin on Monday. */
static int64_t iso_week(int64_t days)
{
	int64_t year, month, day, weekday = (days + 3) - floor_div(days + 3, 7) * 7; /* Monday 0 */
	int64_t thursday = days - weekday + 3;
	civil_from_days(thursday, &year, &month, &day);
	return (thursday - days_of_year_start(year)) / 7 + 1;
}

int64_t time_part(int64_t ns, enum part part)
{
	int64_t seconds = floor_div(ns, 1000000000), days = floor_div(seconds, 86400), year, month, day;
	int64_t of_day = seconds - days * 86400;
	civil_from_days(days, &year, &month, &day);
	switch (part) {
	case PART_MINUTE:
		return of_day / 60 % 60;
	case PART_HOUR:
		return of_day / 3600;
	case PART_DAY:
		return day;
	case PART_WEEK:
		return iso_week(days);
	case PART_MONTH:
		return month;
	case PART_YEAR:
		return year;
	}
	return 0;
}

bool duration_parse(struct bytes text, uint64_t *ns)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	uint64_t n;
	if (text.n < 2 || !bytes_to_u64(bytes_first(text, text.n - 1), &n))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (units[i].unit == bytes_at(text, text.n - 1))
			return !__builtin_mul_overflow(n, units[i].seconds * 1000000000, ns) &&
			       *ns <= INT64_MAX;
	return false;
}
