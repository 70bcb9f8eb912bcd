#include "base/utf8.h"

static const struct fold {
	uint32_t first, last;
	uint8_t step;
	int32_t delta;
} folds[] = {
#define FOLD(first, last, step, delta) { first, last, step, delta },
#include "base/casefold.def"
#undef FOLD
};

size_t utf8_length(struct bytes t)
{
	int c = bytes_at(t, 0);
	size_t n = c < 0 ? 0 : c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	for (size_t i = 1; i < n; i++)
		if (bytes_at(t, i) < 0 || (bytes_at(t, i) & 0xc0) != 0x80)
			return 0;
	int second = bytes_at(t, 1);
	bool bad = (c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
		   (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f);
	return bad ? 0 : n;
}

uint32_t utf8_next(struct bytes *t)
{
	uint8_t first = t->p[0];
	size_t n = first < 0x80 ? 1 : utf8_length(*t);
	uint32_t c = n > 1 ? first & (0x7fu >> n) : (uint32_t)first;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (t->p[i] & 0x3fu);
	*t = bytes_from(*t, n ? n : 1);
	return n ? c : (uint32_t)UTF8_RAW + first;
}

size_t utf8_put(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(0xf00 >> n | c);
	return n;
}

uint32_t utf8_fold(uint32_t c)
{
	if (c < 0x80)
		return ascii_lower((uint8_t)c);
	size_t low = 0, high = sizeof folds / sizeof *folds;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (folds[mid].last < c)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == sizeof folds / sizeof *folds || c < folds[low].first ||
		(c - folds[low].first) % folds[low].step)
		return c;
	return (uint32_t)((int32_t)c + folds[low].delta);
}

size_t utf8_count(struct bytes t)
{
	size_t n = 0;
	for (; t.n; n++)
		(void)utf8_next(&t);
	return n;
}
