#include "run/steady.h"

uint64_t steady_ns(struct steady *s, uint64_t wall_ns, uint64_t last_ns, uint64_t *back_ns)
{
	uint64_t ns = wall_ns + s->ahead_ns;
	*back_ns = 0;
	if (ns + STEADY_BACK_S * UINT64_C(1000000000) >= last_ns)
		return ns;
	*back_ns = last_ns - ns;
	s->ahead_ns += *back_ns;
	return last_ns;
}
