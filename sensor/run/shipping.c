#include "run/shipping.h"

#include "base/assert.h"

void shipping_begin(struct shipping *s, uint64_t cursor, uint64_t last)
{
	s->cursor = s->offered = cursor;
	s->offered_before = last;
	s->first = s->n = 0;
}

void shipping_offered(struct shipping *s, uint64_t number)
{
	ASSERT(s->n < SHIPPING_WINDOW && number > s->offered);
	size_t at = (s->first + s->n++) % SHIPPING_WINDOW;
	s->window[at].number = number;
	s->window[at].is_there = false;
	s->offered = number;
	s->offered_before = number > s->offered_before ? number : s->offered_before;
}

/* The place of a number among the n of the window, which ascend. */
static size_t place_of(const struct shipping *s, uint64_t number)
{
	size_t low = 0, high = s->n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (s->window[(s->first + mid) % SHIPPING_WINDOW].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void shipping_delivered(struct shipping *s, uint64_t number)
{
	size_t at = (s->first + place_of(s, number)) % SHIPPING_WINDOW;
	if (place_of(s, number) == s->n || s->window[at].number != number)
		return;
	s->window[at].is_there = true;
	while (s->n && s->window[s->first].is_there) {
		uint64_t there = s->window[s->first].number;
		s->cursor = there > s->cursor ? there : s->cursor;
		s->first = (s->first + 1) % SHIPPING_WINDOW;
		s->n--;
	}
}

void shipping_rewind(struct shipping *s, uint64_t number)
{
	s->offered = number;
	s->n = place_of(s, number + 1);
}
